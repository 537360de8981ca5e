"""A real PostgreSQL from Debian's package, for one test session: in a folder of its own, on a Unix socket."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

BINARIES = "/usr/lib/postgresql/*/bin"
USER = "postgres"  # that the package makes; PostgreSQL refuses to run as root


def binaries():
    """Return the folder of the newest version installed, None where there is none."""
    found = sorted(Path("/").glob(BINARIES.lstrip("/")), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


@contextmanager
def running():
    """Run a server; yield a function that makes a database and returns its URL."""
    folder = Path(tempfile.mkdtemp(prefix="fwpg"))  # a socket's path must be short
    as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, USER, USER)

    def run(program, *arguments):
        command = [*as_user, binaries() / program, *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    try:
        run("initdb", "-D", folder / "data", "-U", "forewalk", "--auth=trust", "--no-sync")
        options = f"-k {folder} -h '' -c fsync=off"
        run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start")
        try:
            yield lambda name: made(run, folder, name)
        finally:
            run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def made(run, folder, name):
    run("createdb", "-h", folder, "-U", "forewalk", name)
    return f"postgresql://forewalk@/{name}?host={folder}"
