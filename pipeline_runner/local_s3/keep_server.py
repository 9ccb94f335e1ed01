"""A script that runs the embedded S3 server in its folder until no process locks ``users.lock`` there."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    state, *command = sys.argv[1:]
    server = subprocess.Popen(command, pass_fds=[int(state)])
    os.close(int(state))  # The server alone keeps this lock, which tells that it runs.
    with Path("users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)  # A new user waits until the server has ended.
        server.kill()  # A graceful shutdown takes 2 to 30 s and saves nothing that is not saved yet.
        server.wait()
        # The server has created sockets in /tmp; no option prevents them.
        for port in json.loads(Path("server.json").read_text())["ports"]:
            for leftover in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):  # noqa: S108
                leftover.unlink()
