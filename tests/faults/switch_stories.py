"""Deaths while an operator halts, flattens, suspends and resumes."""

from crash_steps import KILLED, begin, settle, trades_again

ROUNDS = 10


def of_the_kill_switch(scene, point, chance):
    """Orders are open, perhaps partly filled, when somebody pulls the switch, and the process that does it dies."""
    begin(scene, chance)
    scene.control.auto_fill(enabled=False)
    known = set(scene.broker_orders())
    scene.decide_and_send()
    for name in sorted(set(scene.broker_orders()) - known):
        if chance.random() < 0.5:
            scene.control.fill(order=name, qty=str(chance.randint(1, 9)))
    command = chance.choice(["halt", "flatten"])
    codes = [pulled(scene, command, point, chance)]
    scene.control.auto_fill(enabled=True)
    posted = len(scene.posts())
    for _ in range(3):
        assert scene.once() == 0
        scene.control.advance(seconds=200)  # partial fills are completed
    assert [scope for scope, _ in scene.halts()] == ["*"]
    assert scene.control.account()["configuration"]["suspend_trade"] is True
    assert set(scene.states()) <= {"canceled", "filled"}
    assert scene.positions() == {} if command == "flatten" else len(scene.posts()) == posted
    scene.check()
    assert scene.command("resume")[0] == 0
    if command == "flatten" or not scene.positions():
        trades_again(scene)
    return codes


def pulled(scene, command, point, chance):
    """Kill the command itself; or let it only write the halt down, and kill the daemon that finds it there."""
    if point == "after_halt_commit":
        return scene.start(command, failpoint=f"{point}:kill9").wait()
    failpoint = f"{point}:kill9"
    if chance.random() < 0.5:
        code = scene.start(command, failpoint=failpoint).wait()
        if code == KILLED:
            return code
    else:
        assert scene.start(command, failpoint="after_halt_commit:kill9").wait() == KILLED
    for _ in range(ROUNDS):  # a flattening suspends when it is over, which partial fills put off
        code = scene.once(failpoint)
        if code == KILLED:
            break
        scene.control.advance(seconds=400)
    return code


def of_a_breach(scene, point, chance):
    """The daemon halts by itself: a loss beyond the limit, or a position that it cannot explain."""
    begin(scene, chance, traded=False)
    scene.control.settings(partial_probability=0.0)
    scene.decide_and_send()
    loss = chance.random() < 0.5
    if loss:
        scene.control.equity(to=f"{chance.uniform(50_000, 90_000):.2f}")
    else:
        scene.control.manual_trade(symbol="AAPL", qty=str(chance.choice([-7, -3, 4, 8])))
    codes = [scene.once(f"{point}:kill9")]
    assert [scope for scope, _ in scene.halts()] == ["*" if loss else "AAPL"]
    scene.after_close()
    scene.once()
    scene.after_open()
    scene.once()
    sides = [post["body"]["side"] for post in scene.posts()]
    assert (
        sides == ["buy", "buy", "sell", "sell"][: 4 if loss else 3]
    )  # exits go on, but not of what is unexplained
    if not loss:
        assert scene.command("resume", "AAPL", "--adopt")[0] == 0
    return codes


def of_a_halt(scene, point, chance):
    return chance.choice([of_the_kill_switch, of_a_breach])(scene, point, chance)


def of_a_suspension(scene, point, chance):
    """Somebody halts or flattens, or lifts that again; the process dies as it tells the broker."""
    begin(scene, chance, traded=False)
    scene.decide_and_send()
    scene.control.advance(seconds=400)
    assert scene.once() == 0
    command = chance.choice(["halt", "flatten"])
    lifting = chance.random() < 0.5
    codes = []
    if lifting:
        assert scene.command(command)[0] == 0
        settle(scene)
        for _ in range(ROUNDS):  # a flattening that is not over has nothing suspended that could be lifted
            if command == "halt" or not scene.positions():
                break
            scene.control.advance(seconds=400)
            settle(scene)
        codes.append(scene.start("resume", failpoint=f"{point}:kill9").wait())
    else:
        codes.append(pulled(scene, command, point, chance))
    for _ in range(3):
        assert scene.once() == 0
        scene.control.advance(seconds=200)
    assert [scope for scope, _ in scene.halts()] == ([] if lifting else ["*"])
    suspended = scene.control.account()["configuration"]["suspend_trade"]
    assert suspended is not lifting
    if command == "flatten":
        assert scene.positions() == {}
    if not lifting:
        assert scene.command("resume")[0] == 0
    scene.control.settings(partial_probability=0.0)
    before = len(scene.posts())
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.posts()) == before + 2
    return codes


def of_a_resumption(scene, point, chance):
    """A person lifts a halt, with or without a new measure of losses, and the command dies."""
    begin(scene, chance, traded=False)
    scene.control.settings(partial_probability=0.0)
    scene.decide_and_send()
    kind = chance.choice(["by hand", "drawdown", "position"])
    arguments = ["resume"]
    if kind == "by hand":
        assert scene.command("halt")[0] == 0
    elif kind == "drawdown":
        scene.control.equity(to=f"{chance.uniform(50_000, 90_000):.2f}")
        arguments.append("--new-peak")
    else:
        scene.control.manual_trade(symbol="AAPL", qty=str(chance.choice([-7, -3, 4, 8])))
        arguments += ["AAPL", "--adopt"]
    settle(scene)
    assert len(scene.halts()) == 1
    codes = [scene.start(*arguments, failpoint=f"{point}:kill9").wait()]
    if scene.halts():
        assert scene.command(*arguments)[0] == 0
    settle(scene)
    assert scene.halts() == []
    scene.check()
    before = len(scene.orders("filled"))
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.orders("filled")) == before + 2
    return codes
