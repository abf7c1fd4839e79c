"""Finds the Lua scripts in the files of packages: whole files, and the strings of programs in other languages."""
import ast
import collections
import hashlib
import os
import re

# What a text must have to be taken for a script of Redis.
CALLS = re.compile(r"\b(?:redis|server)\s*\.\s*p?call\s*\(")
PLACES = re.compile(r"\b(?:KEYS|ARGV)\s*\[")

# A script starts with a statement of Lua, a comment or a shebang, which prose and programs seldom do.
START = re.compile(r"^\s*(?:--|#!lua|local\b|return\b|if\b|for\b|while\b|repeat\b|do\b|function\b|redis\.|server\.|"
                   r"cjson\.|cmsgpack\.|[A-Za-z_][\w.,\s]*=[^=>])")
INCLUDE = re.compile(r"^--- @include", re.M)

# Longer texts are programs of which scripts are a part.
LONGEST = 64 * 1024

Script = collections.namedtuple("Script", "text source origin")


def is_script(text):
    return (len(text) <= LONGEST and "\0" not in text and START.match(text) is not None
            and (CALLS.search(text) is not None or PLACES.search(text) is not None and "return" in text))


def from_python(text):
    """String literals, those of f-strings too when all that is put in is a constant of the same file."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    constants = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, (str, int)):
            constants.update((target.id, str(node.value.value)) for target in node.targets if isinstance(target, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node.value if isinstance(node.value, str) else node.value.decode("utf-8", "surrogateescape")
        elif isinstance(node, ast.JoinedStr):
            parts = []
            for value in node.values:
                if isinstance(value, ast.Constant):
                    parts.append(value.value)
                elif isinstance(value.value, ast.Name):
                    parts.append(constants.get(value.value.id, "1"))
                else:
                    parts.append("1")
            yield "".join(parts)


STRING = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?<![\w)\]])r(\#*)"(.*?)"\1|'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`""", re.S)
ESCAPE = re.compile(r"\\(\r?\n|u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.S)
LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "0": "\0", "f": "\f", "v": "\v"}
CONSTANT = re.compile(r"""\b([A-Za-z_$][\w$]*)\s*=\s*(?:'([^'\\\n]*)'|"([^"\\\n]*)"|`([^`$\\]*)`|(\d+))""")


def unescape(text):
    def one(found):
        what = found.group(1)
        if what[0] in "\r\n":
            return ""
        if what[0] in "ux" and len(what) > 1:
            return chr(int(what.strip("ux{}"), 16) % 0x110000)
        return LETTERS.get(what, what)
    return ESCAPE.sub(one, text)


def from_javascript(text):
    """String literals and template literals. What a template puts in is looked up in the file; `1` for all else."""
    constants = {name: one or two or three or number for name, one, two, three, number in CONSTANT.findall(text)}
    joined = []
    end = 0
    for found in STRING.finditer(text):
        if found.group(0).startswith("/"):
            continue
        single, double, template = found.group(3), found.group(4), found.group(5)
        if template is not None:
            template = re.sub(r"(?<!\\)\$\{\s*([\w$.]*)[^}]*\}", lambda put: constants.get(put.group(1).split(".")[-1], "1"), template)
        value = unescape(next((part for part in (single, double, template) if part is not None), ""))
        # Pieces that are put together with `+`, or are the elements of an array that is joined.
        between = text[end:found.start()].strip()
        if joined and between in ("+", ","):
            joined.append((between, value))
        else:
            yield from together(joined)
            joined = [("", value)]
        end = found.end()
    yield from together(joined)


def together(pieces):
    if len(pieces) > 1:
        lines = any(between == "," for between, _ in pieces)
        yield ("\n" if lines else "").join(piece for _, piece in pieces)
    for _, piece in pieces:
        yield piece


HEREDOC = re.compile(r"<<[<~-]*\s*(['\"]?)([A-Z]\w*)\1[^\n]*\n(.*?)\n?[ \t]*\2\b", re.S)
RUBY_QUOTED = re.compile(r"%[qQ]?([({\[|])(.*?)\n\s*[)}\]|]", re.S)


def from_php_or_ruby(text):
    for found in HEREDOC.finditer(text):
        yield found.group(3)
    for found in RUBY_QUOTED.finditer(text):
        yield found.group(2)
    for found in STRING.finditer(HEREDOC.sub("''", re.sub(r"(?m)^\s*#.*$", "", text))):
        yield unescape(found.group(3) or "") or unescape(found.group(4) or "")


def from_rust_or_go(text):
    for found in STRING.finditer(text):
        yield found.group(2) or found.group(5) or unescape(found.group(4) or "")


LONG_STRING = re.compile(r"\[(=*)\[(.*?)\]\1\]", re.S)


def from_lua(text):
    """A file that is a script, and the scripts in the long strings of a program in Lua."""
    if not INCLUDE.search(text):
        yield text
    for found in LONG_STRING.finditer(text):
        yield found.group(2)


def from_tcl(text):
    """Words in braces or quotes after the commands of Redis's suite that take a script."""
    for found in re.finditer(r"\b(?:eval|eval_ro|run_script|run_script_ro|script load|function load(?: replace)?|get_function_code \w+ \w+)\s+(?=[{\"])", text):
        at = found.end()
        yield braced(text, at) if text[at] == "{" else unescape(re.match(r'"((?:[^"\\]|\\.)*)', text[at:], re.S).group(1))


def braced(text, at):
    depth = 0
    for end in range(at, len(text)):
        if text[end - 1] == "\\":
            continue
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[at + 1:end]
    return ""


READERS = {
    ".py": from_python, ".js": from_javascript, ".cjs": from_javascript, ".mjs": from_javascript, ".ts": from_javascript,
    ".php": from_php_or_ruby, ".rb": from_php_or_ruby, ".rs": from_rust_or_go, ".go": from_rust_or_go, ".lua": from_lua,
    ".tcl": from_tcl,
}


def scripts_of(folder, source):
    """The scripts in all files below a folder, in the order of their paths."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            reader = READERS.get(os.path.splitext(name)[1])
            path = os.path.join(here, name)
            if reader is None or os.path.islink(path) or os.path.getsize(path) > 4 << 20 or name.endswith((".d.ts", ".min.js")):
                continue
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                text = file.read()
            # A script that is a file of its own may come with the line ends of another system.
            if "KEYS" not in text and "call" not in text:
                continue
            for found in reader(text):
                # The Tcl commands that are listed take nothing but scripts.
                if reader is from_tcl or is_script(found):
                    yield Script(found, source, os.path.relpath(path, folder))


def distinct(scripts):
    """Scripts whose text differs by more than comments and space, the first of each."""
    seen = {}
    for script in scripts:
        plain = re.sub(r"--\[\[.*?\]\]|--[^\n]*", "", script.text, flags=re.S)
        digest = hashlib.sha1(" ".join(plain.split()).encode("utf-8", "surrogateescape")).hexdigest()
        seen.setdefault(digest, script)
    return list(seen.values())
