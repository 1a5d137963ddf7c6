"""Whether a commit is signed by one of those who may: as git verifies SSH signatures, by ssh-keygen.

Source: git-config(1), gpg.ssh.allowedSignersFile; ssh-keygen(1), ALLOWED SIGNERS.
"""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from dulwich.objects import Commit

from trimtab.core.errors import UserError

_PATIENCE_S = 10.0
_BEGIN = b"-----BEGIN SSH SIGNATURE-----"


def signer_of(commit: Commit, allowed: Path) -> str:
    """The principal that signed it. Raises UserError where that is none of those in the file."""
    name, signature = commit.id.decode()[:12], commit.gpgsig or b""
    if not signature.startswith(_BEGIN):
        how = "has no signature" if not signature else "is signed by OpenPGP or X.509, and SSH signatures are taken"
        raise _no(f"commit {name} {how}", "sign it: git commit -S, with gpg.format ssh")
    if not allowed.is_file():
        raise _no(f"the file of allowed signers, {allowed}, is not there", "correct allowedSigners")
    with TemporaryDirectory(prefix="trimtab-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        found = _keygen("find-principals", "-f", str(allowed), "-s", str(file)).partition(b"\n")[0].decode().strip()
        if not found:
            raise _no(f"commit {name} is signed by none of those in {allowed}", "let one of them sign it, or add the signer")
        arguments = ("-f", str(allowed), "-I", found, "-n", "git", "-s", str(file))
        if not _keygen("verify", *arguments, given=commit.raw_without_sig()):
            raise _no(f"the signature of commit {name} by {found} does not hold", "sign the commit anew")
    return found


def _keygen(*arguments: str, given: bytes = b"") -> bytes:
    """What it says; nothing where it says no."""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-Y", *arguments], input=given, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except FileNotFoundError as error:
        raise _no("ssh-keygen is needed to verify signatures, and is not there", "install OpenSSH's client") from error
    except subprocess.TimeoutExpired as error:
        raise _no("ssh-keygen did not answer", "see whether it waits for something") from error
    return done.stdout if done.returncode == 0 else b""


def _no(message: str, fix: str) -> UserError:
    return UserError(message, code="TT6010", reason="Unsigned", fix=fix)
