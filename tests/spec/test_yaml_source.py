"""Files that are no YAML, or more of it than an analysis may use."""

import pytest

from mmfit.errors import SpecError
from mmfit.spec import load_analysis
from mmfit.spec.source import read_source
from tests.spec.files import DATA, MODELS, problems, write

BAD_FILES = {
    "empty": (b"", "trial.yaml: the file is empty; an analysis has at least `data` and `models`"),
    "only_comments": (b"# nothing\n\n", "trial.yaml: the file is empty;"),
    "encoding": (
        b"title: caf\xe9\n",
        "trial.yaml:1: byte 0xe9 at position 10 is not UTF-8; save the file as UTF-8",
    ),
    "control_character": (b"title: a\x01\n", "trial.yaml:1: not YAML: the character U+0001"),
    "unclosed_bracket": (b"title: a\ndata: [1, 2\n", "trial.yaml:3: column 1: not YAML: while"),
    "colon_in_text": (
        b"title: a: b\n",
        "trial.yaml:1: column 9: not YAML: mapping values are not allowed here (text that holds",
    ),
    "tab": (b"data:\n\tfile: x\n", "trial.yaml:2: column 1: not YAML: while scanning"),
    "two_documents": (b"a: 1\n---\nb: 1\n", "trial.yaml:2: column 1: a second document begins"),
    "anchor": (b"title: &t x\n", "trial.yaml:1: column 8: &t is a YAML anchor or alias; write"),
    "alias": (b"title: *t\n", "trial.yaml:1: column 8: *t is a YAML anchor or alias; write"),
    "tag": (
        b"title: !!python/object:os.system x\n",
        "trial.yaml:1: column 8: the YAML tag 'tag:yaml.org,2002:python/object:os.system' is not",
    ),
    "deep": (b"title: " + b"[" * 5000, "trial.yaml:1: column 37: nested deeper than 30 levels"),
    "list": (
        b"- a\n- b\n",
        "trial.yaml:1: found a list; a mapping, `key: value` lines, is allowed",
    ),
    "text": (b"hello\n", "trial.yaml:1: found the text 'hello'; a mapping"),
}


@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_is_no_analysis(tmp_path, content, message):
    (problem,) = problems(tmp_path, content)
    assert problem.startswith(message)


def test_a_missing_file_names_the_nearest(tmp_path):
    write(tmp_path, DATA + MODELS, "sleepstudy.yaml")
    with pytest.raises(SpecError) as caught:
        load_analysis(tmp_path / "sleepstdy.yaml")
    assert str(caught.value) == (
        f"{tmp_path}/sleepstdy.yaml: no such file (did you mean 'sleepstudy.yaml'?); "
        "give the path of a YAML file"
    )


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(SpecError, match=r"this is a directory; give the path of a YAML file$"):
        load_analysis(tmp_path)


def test_duplicate_keys_are_all_reported(tmp_path):
    found = problems(tmp_path, DATA + MODELS + "  m1: y ~ 1 + (1 | g)\ndf: normal\ndf: residual\n")
    assert found == [
        "trial.yaml:5: models.m1: the key 'm1' stands twice (first in line 3); "
        "each key is allowed once",
        "trial.yaml:7: df: the key 'df' stands twice (first in line 6); each key is allowed once",
    ]


def test_a_key_that_is_a_list(tmp_path):
    assert problems(tmp_path, DATA + MODELS + "? [a, b]\n: 1\n") == [
        "trial.yaml:5: a key that is a list or a mapping; a key is a word"
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1e-3", 1e-3),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2020-01-31", "2020-01-31"),
        ("007", 7),
        ("-.5", -0.5),
        ("true", True),
        ("~", None),
        ('"5"', "5"),
        ("9" * 5000, float("inf")),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path, text, value):
    read = read_source(write(tmp_path, f"a: {text}\n"), "").value["a"]
    assert read == value
    assert type(read) is type(value)


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path):
    content = (DATA + MODELS).replace("\n", "\r\n").encode()
    analysis = load_analysis(write(tmp_path, b"\xef\xbb\xbf" + content))
    assert list(analysis.models) == ["m1", "m2"]
