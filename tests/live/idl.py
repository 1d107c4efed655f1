#!/usr/bin/env python3
"""A varlink interface description as the pickiest of its readers take it: idl.py FILE

Prints the methods. The rules beyond varlink's own, each of a reader that stops, or silently loses what comes behind:
varlink-go 0.4.0: no empty comment line, members begin with a lower-case letter. varlinkctl 257 and 262: no comment within
a list of members (behind the last one it is "Bad syntax"), no underscore at a name's end or twice in a row, an optional
element of an array cannot be. Before the text itself, variants of it that break each rule are seen to be refused."""
import re, sys

BASE = {"bool", "int", "float", "string", "object"}
MEMBER = re.compile(r"[a-z](_?[A-Za-z0-9])*\Z")
NAME = re.compile(r"[A-Z][A-Za-z0-9]*\Z")
INTERFACE = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+\Z")


class Wrong(Exception):
    pass


def wrong_unless(good, what):
    if not good:
        raise Wrong(what)


def tokens(text):
    depth, out = 0, []
    for number, line in enumerate(text.split("\n"), 1):
        code, _, comment = line.partition("#")
        if "#" in line:
            wrong_unless(comment.strip() and not code.strip() and depth == 0, f"line {number}: a comment there: {line}")
        for token in re.findall(r"->|\[string\]|\[\]|[()?,:]|[^\s()?,:\[\]]+|\S", code):
            depth += (token == "(") - (token == ")")
            out.append(token)
    return out


class Parser:
    def __init__(self, text):
        self.left, self.known, self.used, self.methods = tokens(text), set(), set(), []

    def take(self, expected=None):
        wrong_unless(self.left, "the end")
        token = self.left.pop(0)
        wrong_unless(expected in (None, token), f"{token} where {expected} should be")
        return token

    def peek(self):
        return self.left[0] if self.left else ""

    def type(self):
        if self.peek() == "?":
            self.take()
            wrong_unless(self.peek() != "?", "??")
        while self.peek() in ("[]", "[string]"):
            self.take()
            wrong_unless(self.peek() not in ("?", "[]", "[string]"), f"[]{self.peek()}")
        if self.peek() == "(":
            return self.members()
        name = self.take()
        wrong_unless(name in BASE or NAME.match(name), f"type {name}")
        self.used |= {name} - BASE

    def members(self):
        seen = set()
        self.take("(")
        while self.peek() != ")":
            name = self.take()
            wrong_unless(MEMBER.match(name), f"member {name}")
            wrong_unless(name not in seen, f"member {name} twice")
            seen.add(name)
            self.take(":")
            self.type()
            if self.peek() != ")":
                self.take(",")
                wrong_unless(self.peek() != ")", "a comma behind the last member")
        self.take(")")

    def declaration(self):
        kind, name = self.take(), self.take()
        wrong_unless(kind in ("type", "method", "error"), f"{kind} {name}")
        wrong_unless(NAME.match(name) and name not in self.known, f"{kind} {name}")
        self.known.add(name)
        self.members()
        if kind == "method":
            self.methods.append(name)
            self.take("->")
            self.members()

    def description(self):
        self.take("interface")
        name = self.take()
        wrong_unless(INTERFACE.match(name), f"interface {name}")
        while self.left:
            self.declaration()
        wrong_unless(self.methods, "no method")
        wrong_unless(self.used <= self.known, f"undefined: {self.used - self.known}")
        return self.methods


def refused(text):
    try:
        Parser(text).description()
    except Wrong:
        return True
    return False


text = open(sys.argv[1]).read()
try:
    methods = Parser(text).description()
except Wrong as why:
    sys.exit(f"{sys.argv[1]}: {why}")
for what, variant in {
    "an empty comment line": re.sub(r"\nmethod", "\n#\nmethod", text, count=1),
    "a comment behind the last member": re.sub(r"\)\n", " # so\n)\n", text, count=1),
    "a comment in a list": re.sub(r", ", ", # so\n", text, count=1),
    "an optional element": text + "error E (a: []?string)\n",
    "an upper-case member": re.sub(r"\((\w)", lambda m: "(" + m[1].upper(), text, count=1),
    "two underscores": text + "error E (a__b: string)\n",
    "an underscore at the end": text + "error E (a_: string)\n",
    "a comma behind the last member": text + "error E (a: string,)\n",
    "a doubled member": text + "error E (a: string, a: int)\n",
    "a doubled name": text + f"error {methods[0]} ()\n",
    "an undefined type": text + "error E (a: Nonesuch)\n",
}.items():
    assert variant != text and refused(variant), f"{what} is not noticed"
print("\n".join(methods))
