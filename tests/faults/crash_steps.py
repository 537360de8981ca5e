"""What every story of a death is made of: how it begins, the death, and that trading goes on."""

import signal

KILLED = -signal.SIGKILL


def begin(scene, chance, traded=True):
    """Let some sessions pass, the last of them perhaps traded; fills come whole or in parts from then on."""
    for _ in range(chance.randint(0, 3)):
        scene.control.advance(to="close")
    if traded and chance.random() < 0.5:
        scene.decide_and_send()
    scene.control.settings(partial_probability=chance.choice([0.0, 0.5, 1.0]))


def dies(scene, point, chance, visits, **live):
    """Start the daemon up to three times with the fail point set; the first time it is reached for certain."""
    visit = [chance.randint(1, visits), *(chance.randint(1, 3) for _ in range(chance.randint(0, 2)))]
    return [scene.once(f"{point}:kill9:{number}", **live) for number in visit]


def settle(scene, **live):
    """Run until nothing is left to do."""
    for _ in range(2):
        assert scene.once(**live) == 0, scene.last_output


def trades_again(scene):
    """The next session is traded as if nothing had been."""
    before = len(scene.orders("filled"))
    scene.control.auto_fill(enabled=True)
    scene.control.settings(partial_probability=0.0)
    assert scene.decide_and_send() == [0, 0]
    assert len(scene.orders("filled")) == before + 2
