# %% [markdown]
# # What luck looks like
#
# Two hundred people toss a coin each morning: heads, they hold the market that day; tails, they do not. Nobody knows anything.

# %%
import matplotlib.pyplot as plt
import numpy as np

random = np.random.default_rng(7)
years, people = 8, 200
noise = random.normal(size=years * 252)
market = 0.0005 + 0.011 * (noise - noise.mean()) / noise.std()  # a market that rises: a Sharpe ratio of 0.72
held = random.random((people, market.size)) < 0.5
returns = held * market
sharpe = returns.mean(axis=1) / returns.std(axis=1) * np.sqrt(252)
equity = np.exp(np.log1p(returns).cumsum(axis=1))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
left.plot(equity.T, color="0.7", linewidth=0.4)
left.plot(equity[sharpe.argmax()], color="C3", label="the luckiest")
left.set_title("what 1 became")
left.legend()
right.hist(sharpe, bins=20)
right.set_title("Sharpe ratios of people who know nothing")
plt.close(figure)  # shown once, as what the cell ends with
figure

# %% [markdown]
# The luckiest looks like a genius. Two things must be taken out before one may say so: what the market gave to everybody, and that
# one has looked at two hundred.

# %%
from engine.evaluation.metrics.statistics import mean_test

best = returns[sharpe.argmax()]
beta = np.cov(best, market)[0, 1] / market.var(ddof=1)
excess = best - beta * market
test = mean_test(excess)
print(
    f"the luckiest: Sharpe ratio {sharpe.max():.2f}, the market's {market.mean() / market.std() * 252**0.5:.2f}"
)
print(f"beyond the market: {excess.mean() * 252:+.1%} a year, t = {test.t:.1f}")
print(f"of 200 t values the largest is about {np.sqrt(2 * np.log(people)):.1f} by chance alone")

# %% [markdown]
# That is what the verdict of a run does: alpha against holding, and a discount for every try in the ledger. How often its claims are
# false on markets that hold nothing is measured in *Is the evaluation honest?*
