"""Quotes in csv files, against the strict reading of Python's ``csv`` module."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfit.data.reading import read_table
from mmfit.errors import DataError

FIELDS = st.lists(
    st.text(st.sampled_from('ab",\n7'), max_size=6).filter(lambda text: text.strip() == text),
    min_size=3,
    max_size=3,
)
TABLES = st.lists(FIELDS, min_size=2, max_size=6)


def strictly(text):
    """Rows as the strict reader has them, or None where it refuses."""
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None


@given(TABLES, st.integers(0, 200), st.sampled_from(["", '"', "drop"]))
@settings(max_examples=300, deadline=None)
def test_a_file_is_read_as_it_is_written_or_refused(tmp_path_factory, rows, place, change):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([["u", "v", "w"], *rows])
    text = buffer.getvalue()
    if change == "drop" and '"' in text:
        places = [k for k, sign in enumerate(text) if sign == '"']
        at = places[place % len(places)]
        text = text[:at] + text[at + 1 :]
    elif change == '"':
        at = 6 + place % (len(text) - 5)
        text = text[:at] + '"' + text[at:]
    wanted = strictly(text)
    path = tmp_path_factory.getbasetemp() / "quotes.csv"
    path.write_text(text, encoding="utf-8", newline="")
    if wanted is None or any(len(row) != 3 for row in wanted):
        with pytest.raises(DataError, match=r"quotes\.csv:\d+: "):
            read_table(path)
        return
    frame = read_table(path).frame
    for column, name in enumerate("uvw"):
        texts = [row[column].strip(" \n") for row in wanted[1:]]
        found = frame[name].tolist()
        if all(text == "" or text.isdigit() for text in texts):
            pairs = zip(texts, found, strict=True)
            assert all(text == "" or float(text) == value for text, value in pairs)
        else:
            assert ["" if value != value else value for value in found] == texts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('y,g\n1,a\n2,"b\n3,c\n', ":3: the quote that opens the field '\"b' is never closed"),
        (
            'y,g\n1,"a"b\n',
            ":2: the quote .* is followed by more text where it is closed, on line 2",
        ),
        ('y,g\n1,"a\n2,"b"\n3,c\n', ":2: the quote .* followed by more .*, on line 3"),
        ('y,g\r\n1,a\r\n2,"b""\r\n', ":3: .* is never closed"),
        ('"y,g\n1,a\n', ":1: the quote that opens the field '\"y,g' is never closed"),
    ],
)
def test_the_line_of_the_quote_is_named(tmp_path, text, message):
    path = tmp_path / "quotes.csv"
    path.write_text(text, newline="")
    with pytest.raises(DataError, match=f"quotes.csv{message}"):
        read_table(path)


def test_a_quote_inside_a_plain_field_is_a_character(tmp_path):
    path = tmp_path / "quotes.tsv"
    path.write_text('y\tg\n1\t5" pipe\n2\t"a ""b"" c" \n')
    assert read_table(path).frame["g"].tolist() == ['5" pipe', 'a "b" c']
