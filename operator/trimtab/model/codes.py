"""Error codes: stable, one for each kind of mistake; `trimtab explain TT1012` says more.

TT1xxx: documents; TT2xxx: the files they name; TT3xxx: accounts and what runs there; TT4xxx: images; TT5xxx: the local
cloud; TT6xxx: the command line. A code is never given another meaning.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Code(NamedTuple):
    """What a code stands for."""

    title: str
    text: str  # what it means and why it is refused
    fix: str  # what to do about it, where that does not hang on the case


CODES: Mapping[str, Code] = {
    "TT1001": Code(
        "The text is no YAML",
        "The place is where the parser gave up; the mistake may stand just before it. What was opened and not closed is "
        "shown where it was opened.",
        "Check indentation (spaces, no tabs), colons, brackets and quotes.",
    ),
    "TT1002": Code(
        "The file holds no document",
        "It is empty, or holds comments only. An empty file is never taken for the wish to delete.",
        "Write a document into it; `trimtab init` makes one. To delete a deployment, use `trimtab delete`.",
    ),
    "TT1003": Code(
        "The file is not UTF-8 text",
        "It holds bytes that are no UTF-8, a NUL, or a control character.",
        "Save the file as UTF-8 and remove the character.",
    ),
    "TT1004": Code(
        "The document is too much to read",
        "At most 256 KiB, 32 levels, and 20,000 values after alias expansion are read, so that no file can take a "
        "reconciler's memory or time.",
        "Split the file, or write it more simply.",
    ),
    "TT1005": Code("A key of a mapping is no text", "Keys are names; a list or a mapping is none.", "Write text."),
    "TT1006": Code(
        "A merge is no mapping",
        "`<<` merges a mapping, or a list of mappings, into the one it stands in; keys that are written win.",
        "Name an anchor of a mapping, or write the fields out.",
    ),
    "TT1007": Code(
        "A key stands twice",
        "Readers of YAML keep one of the two silently, and not all the same one.",
        "Keep one of the two.",
    ),
    "TT1008": Code(
        "An explicit tag is not read",
        "Tags such as !!python/object, !!binary or !Ref ask a reader to make something other than data.",
        "Remove the tag. Quote what is to be text.",
    ),
    "TT1009": Code(
        "A document is a mapping",
        "Each document of a file is a mapping with apiVersion, kind, metadata and spec.",
        "Begin with apiVersion: trimtab.dev/v1alpha1.",
    ),
    "TT1010": Code(
        "apiVersion or kind is not one of ours",
        "trimtab reads ModelDeployment and Environment of trimtab.dev/v1alpha1. Commands refuse other documents; sources "
        "leave them out and say so.",
        "Correct apiVersion and kind, or move the document to a file of its own.",
    ),
    "TT1011": Code(
        "There is no such field",
        "Nothing in a document is ever ignored, so a misspelt field is a mistake and not a default.",
        "Correct its name; `trimtab explain spec` lists the fields.",
    ),
    "TT1012": Code(
        "A value is out of bounds", "`trimtab explain` shows the bounds of each field.", "Choose a value within."
    ),
    "TT1013": Code("A required field is missing", "It has no default, or another field needs it.", "Write it."),
    "TT1014": Code("A value is not one of the choices", "The field takes one of a few words.", "Choose one of them."),
    "TT1015": Code(
        "A value is of the wrong type",
        "Types are strict, as for Kubernetes: '2' is text and 2 is a number. Bare yes, no, on and off are booleans.",
        "Add or remove quotes, or write the type that is asked for.",
    ),
    "TT1016": Code(
        "A rule is broken",
        "The value is no quantity, no duration or no expression, or does not go with another field.",
        "See the message.",
    ),
    "TT1017": Code("A text does not match its pattern", "`trimtab explain` shows an example of each field.", "Correct it."),
    "TT1018": Code(
        "One name stands twice",
        "Two documents of a file have one kind, namespace and name: one of them would undo the other.",
        "Rename one, or remove it.",
    ),
    "TT1019": Code(
        "A key is not the text that it shows",
        "Unquoted, kubectl takes the key n for false, and 012 for 10: the document would mean something else in a cluster.",
        "Quote the key.",
    ),
    "TT1020": Code(
        "A number is not finite",
        ".inf and .nan are YAML and not JSON; kubectl refuses them too.",
        "Write a finite number, or leave the field out.",
    ),
    "TT1100": Code(
        "Not built yet",
        "The field is part of the API, but what it asks for is not built in this version. It is refused, never ignored.",
        "Leave it out for now.",
    ),
    "TT2000": Code("A file cannot be read", "The operating system refuses it.", "Name a file that is there and readable."),
    "TT2001": Code("A source is no folder", "It does not exist, or is a file.", "Name a folder beside the document."),
    "TT2002": Code("A source holds no files", "Nothing can be trained on an empty folder.", "Put files into it."),
    "TT2003": Code(
        "A path leaves the document's folder",
        "Once links are followed it ends outside, so the document would not mean the same elsewhere.",
        "Move the files into the document's folder.",
    ),
    "TT2004": Code(
        "A file cannot be used",
        "It cannot be read, is a device, a pipe or a socket, or its name is not UTF-8.",
        "Remove it.",
    ),
    "TT2005": Code(
        "A file changed while it was read",
        "Nothing is trained on data that moves: its digest would name neither the old nor the new.",
        "Wait until nothing writes there, and run it again.",
    ),
    "TT2006": Code(
        "Two file names are one",
        "They are equal after Unicode normalisation (NFC), and some file systems keep only one.",
        "Rename one.",
    ),
    "TT2007": Code("A file is not in the code folder", "A field names it.", "Add the file, or correct the field."),
    "TT2008": Code(
        "Not one ModelDeployment",
        "The command takes exactly one, and was given none or several.",
        "Name the file of the one you mean.",
    ),
    "TT2009": Code(
        "The files of a revision are not its model",
        "What its deployment keeps of it was removed or written to: its digest would no longer be the recorded one.",
        "Name another revision, or train it there again.",
    ),
    "TT2010": Code("A prefix is too large", "At most 50 GiB are copied.", "Name a smaller prefix."),
    "TT2011": Code(
        "A model's folder is not whole",
        "The server needs model.onnx, card.json and golden.json; code of your own may load another model than the first. A "
        "folder with a Dockerfile brings a server of its own, and needs none of them.",
        "Add what is missing; `trimtab-container check --model FOLDER` says more.",
    ),
    "TT2012": Code(
        "A source has too many documents",
        "An operator keeps all of them at hand.",
        "Divide it into several sources, or raise nothing: 10,000 deployments are more than an account's quotas allow.",
    ),
    "TT3001": Code(
        "The environment moved",
        "Account, region or environment may not change while resources exist where they were.",
        "Delete the deployment there first, or deploy it under another name.",
    ),
    "TT3002": Code("The deployment is being deleted", "A delete goes to its end.", "Wait for it, then apply again."),
    "TT3003": Code("Text is no image", "It is no name of an image in a registry.", "Write registry/repository:tag."),
    "TT3004": Code("An image is not in its registry", "Nothing is there under that tag.", "Push it, or name another."),
    "TT3005": Code("An environment is not known", "No document of that name is at hand.", "Name one that is there."),
    "TT3006": Code("A deployment is not known", "The environment has none of that name.", "`trimtab status` lists them."),
    "TT3007": Code("There is no endpoint or key yet", "It is made with the first release.", "Wait until it is ready."),
    "TT3008": Code("A request is too large", "API Gateway takes 10 MB.", "Send fewer records at once."),
    "TT3009": Code("There is nothing to do", "It is so already, or there is none.", "See `trimtab history`."),
    "TT3010": Code(
        "The deployment was let go of",
        "It was deleted under `policy.deletion: retain`: what exists stays, and nothing is done to it.",
        "Apply its document to take it up again, or delete it all with `trimtab delete NAME --deletion delete`.",
    ),
    "TT3011": Code(
        "A deployment is declared twice",
        "Two sources, or two files of one, have it, and nobody could say which one holds. What it was before stays.",
        "Remove it from all but one.",
    ),
    "TT3012": Code(
        "A source may not speak for a namespace",
        "The operator's configuration limits each source to namespaces.",
        "Move the document, or allow the namespace there.",
    ),
    "TT3013": Code(
        "A ledger is not as trimtab left it",
        "It was edited, it is another deployment's, or a later trimtab wrote it. Nothing is done about its deployment: what "
        "serves goes on serving.",
        "Put its last version back, or delete the object: identity, hold and quarantine are found in the tags of what "
        "exists, and all of that is taken up again. History and verdicts are lost.",
    ),
    "TT4001": Code("Files are not at hand", "They must be sent, and their folder is not here.", "Apply from that folder."),
    "TT4002": Code("uv is not here", "Wheels are installed into an image with uv.", "Install uv."),
    "TT4003": Code("A package cannot be installed", "See what uv says.", "Correct the requirements."),
    "TT4004": Code(
        "A Dockerfile cannot be built as layers",
        "It is read, not run: FROM, ARG, ENV, LABEL, WORKDIR, EXPOSE, USER, ENTRYPOINT, CMD, COPY, and `RUN pip install` of "
        "exact versions. Anything else is refused, never left out.",
        "See the message; what must be run belongs into the base image.",
    ),
    "TT5001": Code("The local cloud is not up", "Nothing answers where it was.", "Run `trimtab local up`."),
    "TT5002": Code("The state folder is open to others", "It holds keys.", "Run chmod 700 on it."),
    "TT5003": Code("The local cloud did not start", "Its log says why.", "Read the log, and run it again."),
    "TT5004": Code("A port is in use", "Another program listens there.", "Choose another port, or stop that program."),
    "TT5005": Code("A command is not there", "It cannot be found or run.", "Correct its name, or install it."),
    "TT5006": Code(
        "The local cloud refuses what it is told", "It knows no such fault or user.", "See the command's own `--help`."
    ),
    "TT6001": Code(
        "There is nothing of that name to explain", "No field and no code has it.", "Start at `trimtab explain`."
    ),
    "TT6002": Code("A folder to write to is not empty", "Nothing of yours is overwritten.", "Name an empty folder."),
    "TT6003": Code(
        "A project cannot start from this model", "It is no file, or the template has none.", "Name a .onnx file, or s3://."
    ),
    "TT6004": Code(
        "A plan cannot be used",
        "It was edited, is of another version, or was printed rather than saved.",
        "Save it anew with `trimtab plan FILES --out PLAN`.",
    ),
    "TT6005": Code(
        "A plan is stale",
        "The document, its files, the environment, what was pinned or what is live moved since the plan was made; the "
        "message names each. Nothing was done.",
        "Plan again, read what it says now, and apply that.",
    ),
    "TT6006": Code(
        "A folder holds no page", "`trimtab page` serves a folder that holds an index.html.", "Name it with --folder."
    ),
    "TT6007": Code(
        "The operator's configuration cannot be used", "It names nothing to watch, or is none.", "See `trimtab run --help`."
    ),
    "TT6008": Code("A package is not installed", "A part of trimtab needs it.", "Install the extra that is named."),
    "TT6009": Code(
        "A source cannot be taken as it is configured",
        "It names what is not there.",
        "Correct the operator's configuration.",
    ),
    "TT6010": Code("A commit is not signed as it must be", "The source takes signed commits only.", "Sign the commit."),
    "TT6011": Code(
        "The operator cannot follow that clock",
        "`trimtab run --clock` is for tests: it follows the clock of the local cloud that it serves, on this machine's "
        "loopback. The time of an account is real.",
        "Name the local cloud's own URL, or leave --clock out.",
    ),
}
