"""The error tree. The class tells the caller how to react, and the process how to exit.

```
ForewalkError            exit 1   something failed; the message says what and what to do
├── UsageError           exit 2   the command line makes no sense: correct it
├── ConfigError          exit 3   a setting is wrong: correct it
├── ConnectionFailed     exit 4   a service could not be reached: try again later or go offline
│   └── RateLimited      exit 4   it asks to come back later; `after_s` says when
├── DataError            exit 5   the data cannot be used: mend it or choose other data
│   └── Undecided        exit 5   a file can be read in several ways: `setting` says which of `answers` it is
├── PackageShadowed      exit 3   a folder of yours has the name of a package of ours: rename it; also an ImportError
├── PluginError          exit 1   your own code (a feature, model, strategy) raised: mend it at the line named
├── EnginesDiffer        exit 1   Cerebro and the compiled simulation give different accounts: a bug, never caught
├── LookaheadError       exit 1   a model was asked about a bar it already knew: a bug, never caught
└── LeakError            exit 1   a fold, label or scaler touches the future: a bug, never caught
```

Exit code 0 is success and 130 an interruption by Ctrl-C.
"""

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_CONFIG = 3
EXIT_CONNECTION = 4
EXIT_DATA = 5
EXIT_INTERRUPTED = 130


class ForewalkError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = EXIT_FAILURE


class UsageError(ForewalkError):
    """The command line cannot be understood."""

    exit_code = EXIT_USAGE


class ConfigError(ForewalkError):
    """A setting is unknown, misspelt or out of range."""

    exit_code = EXIT_CONFIG


class PackageShadowed(ForewalkError, ImportError):  # noqa: N818 - a state of affairs, like the builtin's cousins
    """The name of one of our packages leads to something else; `name` and `path` say what."""

    exit_code = EXIT_CONFIG


class ConnectionFailed(ForewalkError):  # noqa: N818 - ConnectionError is a builtin
    """A remote service did not answer; the same call may succeed later."""

    exit_code = EXIT_CONNECTION


class RateLimited(ConnectionFailed):
    """A service answers no more for now; `after_s` is the wait in seconds it asks for, 0 where it does not say."""

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class DataError(ForewalkError):
    """Market data is missing or unusable."""

    exit_code = EXIT_DATA


class Undecided(DataError):  # noqa: N818 - what is the case
    """A file can be read in several ways and does not say which: a person may.

    Args:
        what: is in doubt and why, in words. setting: that decides, such as "data.decimal".
        answers: (value of the setting, what `example` then means), in the order in which they are offered.
        example: a text of the file that can be read in several ways.
    """

    def __init__(self, what: str, setting: str, answers: tuple[tuple[str, str], ...], example: str) -> None:
        super().__init__(f"{what}; say which: {setting} = {' or '.join(repr(value) for value, _ in answers)}")
        self.setting, self.answers, self.example = setting, answers, example


class PluginError(ForewalkError):
    """A user's own code raised, or gave something that cannot be used; the message names its file and line."""


class EnginesDiffer(ForewalkError):  # noqa: N818 - what happened
    """Cerebro and the compiled simulation part at a bar that the message names."""


class LookaheadError(ForewalkError):
    """A model was asked about a bar at or before the end of its own training, or a strategy read a later bar."""


class LeakError(ForewalkError):
    """A fold lets training see what it is later tested on."""
