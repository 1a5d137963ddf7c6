"""A Dockerfile is read as Docker reads it, as far as it is read; what is not built is refused at its place."""

from collections.abc import Mapping

import pytest

from trimtab_container.dockerfile import Mistake, Reading, Recipe
from trimtab_container.dockerfile.read import read_dockerfile

HASH = "--hash=sha256:" + "a" * 64
LOCKED = f"""# locked
NumPy==2.4.6 \\
    {HASH}

uvicorn[standard]==0.54.0 ; python_version >= '3.8' {HASH}  # server
"""
WINDOWS = "\ufeff# syntax=docker/dockerfile:1.7\n# escape=\\\n# a comment\n\nFROM a \\\n  # between\n\n  AS b\n".replace(
    "\n", "\r\n"
)
FILES: Mapping[str, str] = {
    "Dockerfile": "",
    "server.py": "",
    "serve": "",
    "requirements.txt": LOCKED,
    "loose.txt": "click==8.5.1\nnumpy>=2\n-e .\n",
    "assets/a.txt": "",
    "assets/deep/b.txt": "",
    "assets/c.md": "",
}


def reading(text: str, files: Mapping[str, str] = FILES, **given: str) -> Reading:
    arguments = {"TRIMTAB_BASE": "host:1/python:3"} | given
    return read_dockerfile(text, sorted(files), lambda path: files[path].encode(), arguments=arguments)


def recipe(text: str, files: Mapping[str, str] = FILES, **given: str) -> Recipe:
    made = reading(text, files, **given)
    assert made.mistakes == ()
    assert made.recipe is not None
    return made.recipe


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM python:3", "python:3"),
        ("  from a/b:1  as  whole", "a/b:1"),
        ("ARG TRIMTAB_BASE=x\nFROM ${TRIMTAB_BASE}", "host:1/python:3"),
        ("ARG TAG=3\nARG BASE=python:$TAG\nFROM $BASE", "python:3"),
        ("ARG TAG\nFROM python:${TAG:-3}-slim", "python:3-slim"),
        ("ARG TAG=4\nFROM python:${TAG:+four}${NONE+x}${NONE-y}", "python:foury"),
        (WINDOWS, "a"),
    ],
)
def test_from_names_the_base(text, base):
    assert recipe(text).base == base


@pytest.mark.parametrize(
    ("lines", "variables"),
    [
        ("ENV A=1 B=two", {"A": "1", "B": "two"}),
        ("ENV A='one two' B=\"three $A\" C=a\\ b", {"A": "one two", "B": "three ", "C": "a b"}),
        ("ENV A=1\nENV A=2 B=$A\nENV C=${A}", {"A": "2", "B": "1", "C": "2"}),
        ("ENV A  the whole  rest", {"A": "the whole  rest"}),
        ('ENV A=\'$B\' C=\\$B D="\\$B" E="a\\b"', {"A": "$B", "C": "$B", "D": "$B", "E": "a\\b"}),
        ("ENV A=$ B=a$/ C=$1x", {"A": "$", "B": "a$/", "C": "x"}),
        ("ARG V=arg\nENV A=$V\nENV V=env\nENV B=$V", {"A": "arg", "V": "env", "B": "env"}),
        ("ENV PATH=/x:$PATH", {"PATH": "/x:"}),
        ("ENV A=1 \\\n    # why\n    B=2", {"A": "1", "B": "2"}),
        ('ENV A=""', {"A": ""}),
    ],
)
def test_variables_are_filled_in_as_docker_does(lines, variables):
    assert recipe(f"FROM a\n{lines}").environment == variables


def test_an_argument_before_from_holds_after_it_only_where_it_is_named_again():
    assert recipe("ARG V=1\nFROM a\nENV A=x$V\nARG V\nENV B=x$V").environment == {"A": "x", "B": "x1"}
    assert recipe("ARG V=1\nFROM a\nARG V=2\nENV A=$V").environment == {"A": "2"}
    assert recipe("ARG V=1\nFROM a\nARG V=2\nENV A=$V", V="given").environment == {"A": "given"}


def test_the_bases_variables_can_be_used():
    made = read_dockerfile(
        "FROM a\nENV P=/x:$P\nWORKDIR $HOME", [], lambda _: b"", base_environment={"P": "/bin", "HOME": "/h"}
    )
    assert made.recipe is not None
    assert (made.recipe.environment, made.recipe.folder) == ({"P": "/x:/bin"}, "/h")


def test_what_an_image_says_of_itself():
    text = """FROM a
LABEL org.opencontainers.image.title="My server" version=1
WORKDIR /opt
WORKDIR program/../app
EXPOSE 8080 9090/udp
EXPOSE 8080/tcp
USER 10001:10001
ENTRYPOINT ["python3", "server.py", "$HOME"]
CMD ["serve"]
"""
    made = recipe(text)
    assert made.labels == {"org.opencontainers.image.title": "My server", "version": "1"}
    assert (made.folder, made.ports, made.user) == ("/opt/app", ("8080/tcp", "9090/udp"), "10001:10001")
    assert (made.entrypoint, made.command) == (("python3", "server.py", "$HOME"), ("serve",))


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("COPY server.py /opt/program/", {"opt/program/server.py": "server.py"}),
        ("COPY server.py /opt/program/main.py", {"opt/program/main.py": "server.py"}),
        ("COPY serve /opt/program/serve", {"opt/program/serve": "serve"}),
        ("COPY server.py .", {"work/server.py": "server.py"}),
        ("COPY server.py /opt", {"opt/server.py": "server.py"}),
        ("COPY /server.py ../x/", {"x/server.py": "server.py"}),
        ("COPY ../../server.py ./", {"work/server.py": "server.py"}),
        ("COPY s* /x/", {"x/server.py": "server.py", "x/serve": "serve"}),
        ("COPY serve?.py [r-s]erve ./", {"work/serve": "serve"}),
        ("COPY assets /x", {"x/a.txt": "assets/a.txt", "x/c.md": "assets/c.md", "x/deep/b.txt": "assets/deep/b.txt"}),
        ("COPY assets/*.txt assets/deep ./", {"work/a.txt": "assets/a.txt", "work/b.txt": "assets/deep/b.txt"}),
        ('COPY ["server.py", "/a b/"]', {"a b/server.py": "server.py"}),
        ("ARG TO=/y\nCOPY server.py $TO/", {"y/server.py": "server.py"}),
    ],
)
def test_copy_puts_files_where_docker_does(line, files):
    text = f"FROM a\nWORKDIR /work\n{line}".replace("serve?.py [r-s]erve", "[r-s]erve")
    (copy,) = recipe(text).copies
    assert copy.files == files


def test_copy_gives_modes_and_owners_in_numbers():
    text = "FROM a\nCOPY --chmod=755 --chown=10001 serve /x/\nCOPY --chown=1:2 --chmod=0640 serve /y/"
    first, second = recipe(text).copies
    assert (first.mode, first.owner, first.folder) == (0o755, (10001, 10001), "x")
    assert (second.mode, second.owner, second.folder) == (0o640, (1, 2), "y")


def test_a_later_copy_into_a_folder_needs_no_slash():
    (_, copy) = recipe("FROM a\nCOPY assets /x/y\nCOPY serve /x/y").copies
    assert copy.files == {"x/y/serve": "serve"}


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("*.md\n# serve\n\n", ["assets/a.txt", "assets/c.md", "assets/deep/b.txt", "serve"]),
        ("**/*.md\nserve", ["assets/a.txt", "assets/deep/b.txt"]),
        ("assets\n!assets/deep", ["assets/deep/b.txt", "serve"]),
        ("/assets/deep/", ["assets/a.txt", "assets/c.md", "serve"]),
        ("*\n!**/*.txt", ["assets/a.txt", "assets/deep/b.txt"]),
        ("assets/**\n", ["serve"]),
    ],
)
@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_dockerignore_leaves_files_out(ignore, left, name):
    names = ("assets/a.txt", "assets/c.md", "assets/deep/b.txt", "serve")
    files = (
        dict.fromkeys(names, "") | ({".dockerignore": "serve\nassets"} if name != ".dockerignore" else {}) | {name: ignore}
    )
    (copy,) = recipe("FROM a\nCOPY . /x/", files).copies
    assert [path for path in copy.files.values() if "dockerignore" not in path] == left


@pytest.mark.parametrize(
    "command",
    [
        "RUN pip install -r requirements.txt",
        "RUN python3 -m pip install --no-cache-dir --require-hashes --no-deps \\\n  -r /work/requirements.txt",
        'RUN ["pip", "install", "--only-binary", ":all:", "--requirement", "requirements.txt"]',
        "RUN pip3 install -q --requirement=requirements.txt --root-user-action=ignore",
    ],
)
def test_pip_install_of_a_locked_file_is_read(command):
    made = recipe(f"FROM a\nWORKDIR /work\nCOPY requirements.txt .\n{command}")
    assert [(each.name, each.text, each.line) for each in made.requirements] == [
        ("numpy", f"NumPy==2.4.6 {HASH}", 2),
        ("uvicorn", f"uvicorn[standard]==0.54.0 ; python_version >= '3.8' {HASH}", 5),
    ]


def test_pip_install_of_exact_versions_is_read():
    made = recipe("FROM a\nARG V=8.5.1\nRUN pip install click==$V 'typing_extensions == 4.1'")
    assert [(each.name, each.is_hashed) for each in made.requirements] == [("click", False), ("typing-extensions", False)]


@pytest.mark.parametrize(
    ("lines", "line", "column", "said"),
    [
        ("RUN apt-get update", 2, 1, "RUN runs a command"),
        ("RUN --mount=type=cache,target=/x pip install a==1", 2, 5, "--mount=type=cache,target=/x of RUN"),
        ("RUN pip install a==1 && rm -r /x", 2, 22, "& is for a shell"),
        ("RUN pip install a==$(cat v)", 2, 20, "$ is for a shell"),
        ("RUN pip install numpy", 2, 17, "numpy is not pinned"),
        ("RUN pip install --quiet \\\n   numpy==2.*", 3, 4, "numpy==2.* is not pinned"),
        ("RUN pip install .", 2, 17, ". is not pinned"),
        ("RUN pip install --index-url https://x a==1", 2, 17, "pip's option --index-url"),
        ("RUN pip install -r requirements.txt", 2, 20, "no COPY before this line brings requirements.txt"),
        ("RUN pip install -r", 2, 17, "-r names no file"),
        ("RUN pip install", 1, 1, "nothing is installed"),
        ("RUN <<END\nFROM nothing\nEND\nUSER", 2, 5, "a here-document"),
        ("COPY <<'END' /x\nhello\nEND", 2, 6, "a here-document"),
        ("COPY --from=build /a /b/", 2, 6, "--from=build of COPY"),
        ("COPY --chown=app serve /x/", 2, 6, "--chown=app is not read"),
        ("COPY --chmod=u+x serve /x/", 2, 6, "--chmod=u+x is not read"),
        ("COPY nothing /x/", 2, 6, "nothing is not in the folder"),
        ("COPY server.py", 2, 1, "COPY needs what and where to"),
        ("COPY serve server.py /x", 2, 22, "several files are copied to /x"),
        ("COPY serve /opt/thing", 2, 12, "whether /opt/thing is a file or a folder"),
        ("COPY serve /bin/", 2, 12, "/bin is a link in most bases"),
        ("COPY assets /var/run/x", 2, 13, "/var/run is a link in most bases"),
        ("COPY serve $NONE", 2, 12, "$NONE comes to nothing"),
        ("COPY [serve] /x/", 2, 6, "[serve] is not in the folder"),
        ("COPY serve[ /x/", 2, 6, "serve[ is no pattern"),
        ("COPY server.py /opt/trimtab/packages/", 2, 16, "is where pip's packages lie"),
        ('COPY "a b" /x/', 2, 6, "the quote \" is not closed"),
        ("CMD python server.py", 2, 5, "CMD is not in the exec form"),
        ("ENTRYPOINT ['python3']", 2, 12, "ENTRYPOINT is not in the exec form"),
        ("ENTRYPOINT []", 2, 12, "ENTRYPOINT is not in the exec form"),
        ('COPY serve /x/\nENTRYPOINT ["/x/serve"]', 3, 12, "/x/serve is not executable"),
        ("ENV A", 2, 5, "A is given no value"),
        ("ENV A=1 B", 2, 9, "B is no name=value"),
        ("ENV A='1", 2, 5, "the quote ' is not closed"),
        ("ENV A=${B", 2, 7, "${B...} is not read"),
        ("ENV A=${B:-c", 2, 7, "} is missing"),
        ("ENV A=${B#x}", 2, 7, "${B#x...} is not read"),
        ('ENV A="${B:?say it}"', 2, 8, "B is not set: say it"),
        ("LABEL trimtab.dev/base=host", 2, 1, "trimtab.dev/base is set by trimtab"),
        ("EXPOSE http", 2, 8, "http is no port"),
        ("EXPOSE 8080 0", 2, 13, "0 is no port"),
        ("ARG TARGETARCH", 2, 5, "TARGETARCH is set by Docker alone"),
        ("WORKDIR", 2, 1, "WORKDIR says nothing"),
        ("ADD https://x/y /z", 2, 1, "ADD is not built"),
        ("HEALTHCHECK NONE", 2, 1, "HEALTHCHECK is not built"),
        ("ONBUILD COPY a b", 2, 1, "ONBUILD is not built"),
        ("SHELL [\"/bin/bash\"]", 2, 1, "SHELL is not built"),
        ("STOPSIGNAL 9", 2, 1, "STOPSIGNAL is not built"),
        ("VOLUME /x", 2, 1, "VOLUME is not built"),
        ("MAINTAINER me", 2, 1, "MAINTAINER is not built"),
        ("FORM b", 2, 1, "FORM is not built"),
        ("FROM b", 2, 1, "a second FROM"),
    ],
)  # fmt: skip
def test_what_is_not_built_is_refused_at_its_place(lines, line, column, said):
    first = reading(f"FROM a\n{lines}").mistakes[0]
    assert (first.file, first.line, first.column) == ("Dockerfile", line, column)
    assert said in first.text
    assert first.fix


def test_variables_deep_in_one_another_are_a_mistake_and_no_crash():
    (mistake,) = reading("FROM a\nENV A=" + "${B:-" * 5000).mistakes
    assert "too deep" in mistake.text


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "there is no FROM"),
        ("# FROM a\n", 1, 1, "there is no FROM"),
        ("WORKDIR /x\nFROM a", 1, 1, "WORKDIR stands before FROM"),
        ("FROM a b", 1, 1, "FROM names no single image"),
        ("FROM --platform=linux/arm64 a", 1, 6, "--platform=linux/arm64 of FROM"),
        ("FROM $NONE", 1, 6, "$NONE comes to nothing"),
        ("FROM scratch", 1, 6, "an image from scratch"),
        ("# escape=`\nFROM a", 1, 10, "` as the escape character"),
        ("# syntax=example.org/other:1\nFROM a", 1, 10, "the syntax example.org/other:1"),
    ],
)
def test_a_beginning_that_is_not_built_is_refused(text, line, column, said):
    first = reading(text).mistakes[0]
    assert (first.line, first.column) == (line, column)
    assert said in first.text


def test_every_mistake_is_told_those_in_other_files_too():
    text = "FROM a\nCOPY loose.txt ./\nRUN pip install -r loose.txt\nUSER $NONE"
    files = {**FILES, ".dockerignore": "[x\n"}
    found = [(each.file, each.line, each.text) for each in reading(text, files).mistakes]
    assert found == [
        (".dockerignore", 1, "'[x' is no pattern"),
        ("loose.txt", 2, "numpy>=2 is not pinned to one version"),
        ("loose.txt", 3, "-e in a requirements file is not read"),
        ("Dockerfile", 4, "$NONE comes to nothing"),
    ]


def test_hashes_are_for_all_packages_or_none():
    text = "FROM a\nCOPY requirements.txt ./\nRUN pip install -r requirements.txt\nRUN pip install click==8.5.1"
    (mistake,) = reading(text).mistakes
    assert mistake == Mistake(
        "Dockerfile", 4, 1, "click has no --hash, while others have", "give all of them hashes, or none"
    )
