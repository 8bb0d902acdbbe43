"""Recipients from files: JSON lines, CSV and Parquet, compressed or not, on disk or in object storage."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import airflow.sdk
import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.api.errors import BrazeError, BrazeValidationError
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.delivery.prepare import columns_of
from braze_provider.recipients import BadRow, FileRecipients
from braze_provider.recipients.base import ROWS_PER_CHUNK

Write = Callable[..., str]

COLUMNS = columns_of(CampaignRecipient)


def read(source: FileRecipients) -> list[Any]:
    return list(source.recipients(COLUMNS))


@pytest.fixture
def write(tmp_path) -> Write:
    """Write a file and return its path."""

    def write(content: str | bytes, name: str) -> str:
        path: Path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


# JSON lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "JSONL"])
def test_lines_of_json_are_recipients(write, ending):
    lines = '{"external_user_id": 1, "trigger_properties": {"x": [1.5, null]}}\n{"email": "zoë"}\n'

    assert read(FileRecipients(write(lines, f"people.{ending}"))) == [
        {"external_user_id": "1", "trigger_properties": {"x": [1.5, None]}},
        {"email": "zoë"},
    ]


def test_lines_of_json_may_have_dotted_names_as_columns_have(write):
    lines = '{"external_user_id": "a", "trigger_properties.x": 1}'

    assert read(FileRecipients(write(lines, "people.jsonl"))) == [
        {"external_user_id": "a", "trigger_properties": {"x": 1}}
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"external_user_id": "ada"', "the line is not JSON"),
        ("ada@example.com", "the line is not JSON"),
        (b'{"external_user_id": "\xff"}', "the line is not JSON"),
        ("[" * 100_000, "the line is not JSON"),
        ('["ada"]', "the line is not a JSON object"),
        ('"ada"', "the line is not a JSON object"),
        ("null", "the line is not a JSON object"),
        ("", "the line is empty"),
        ("  \t", "the line is empty"),
    ],
    ids=["cut", "text", "no utf-8", "endless nesting", "array", "string", "null", "empty", "blank"],
)
def test_an_invalid_line_is_a_bad_row_in_its_place(write, line, reason):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(b'{"braze_id": "a"}\n' + line + b'\n{"braze_id": "b"}\n', "people.jsonl")

    assert read(FileRecipients(path)) == [{"braze_id": "a"}, BadRow(reason), {"braze_id": "b"}]


def test_an_unknown_name_concerns_its_line_alone(write):
    path = write('{"braze_id": "a", "zip": 1}\n{"braze_id": "b"}\n', "people.jsonl")

    bad, good = read(FileRecipients(path))

    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("column 'zip' fits no field of a recipient")
    assert good == {"braze_id": "b"}


def test_empty_lines_at_the_end_are_nothing(write):
    assert read(FileRecipients(write('{"braze_id": "a"}\n\n \n\n', "people.jsonl"))) == [{"braze_id": "a"}]


@pytest.mark.parametrize(
    "content",
    [b'{"braze_id": "a"}', b'{"braze_id": "a"}\r\n', b'\xef\xbb\xbf{"braze_id": "a"}\n'],
    ids=["no newline", "windows", "byte order mark"],
)
def test_line_ends_and_marks_of_other_systems_do_not_matter(write, content):
    assert read(FileRecipients(write(content, "people.jsonl"))) == [{"braze_id": "a"}]


def test_an_empty_file_has_no_recipients(write):
    assert read(FileRecipients(write("", "people.jsonl"))) == []


# CSV -----------------------------------------------------------------------------------------------------


def test_rows_of_csv_are_recipients_by_the_names_of_the_header(write):
    path = write("external_user_id,trigger_properties.name\n00123,Zoë\n2,Bob\n", "people.csv")

    assert read(FileRecipients(path)) == [
        {"external_user_id": "00123", "trigger_properties": {"name": "Zoë"}},
        {"external_user_id": "2", "trigger_properties": {"name": "Bob"}},
    ]


def test_every_kind_of_column_can_be_written_in_csv(write):
    columns = {
        "email": "ada@example.com",
        "prioritization": "identified,most_recently_updated",
        "send_to_existing_only": "0",
        "attributes": '{"country": "GB"}',
        "attributes.vip": "yes",
        "trigger_properties.order.total": "5",
    }
    text = io.StringIO()
    csv.writer(text).writerows([columns, columns.values()])

    assert read(FileRecipients(write(text.getvalue(), "people.csv"))) == [
        {
            "email": "ada@example.com",
            "prioritization": ["identified", "most_recently_updated"],
            "send_to_existing_only": False,
            "attributes": {"country": "GB", "vip": "yes"},
            "trigger_properties": {"order": {"total": "5"}},
        }
    ]


def test_quoted_fields_hold_commas_quotes_and_newlines(write):
    path = write('external_user_id,attributes.note\n1,"a, ""b""\nc"\n', "people.csv")

    assert read(FileRecipients(path)) == [{"external_user_id": "1", "attributes": {"note": 'a, "b"\nc'}}]


@pytest.mark.parametrize("empty", ["", '""'])
def test_an_empty_field_is_not_given(write, empty):
    path = write(f"external_user_id,attributes.country\n1,{empty}\n", "people.csv")

    assert read(FileRecipients(path)) == [{"external_user_id": "1"}]


def test_a_byte_order_mark_is_not_part_of_the_first_name(write):
    path = write(b"\xef\xbb\xbfexternal_user_id\r\n1\r\n", "people.csv")

    assert read(FileRecipients(path)) == [{"external_user_id": "1"}]


def test_rows_with_a_wrong_number_of_fields_are_bad_and_empty_lines_ignored(write):
    path = write("external_user_id,email\n1\n\n1,2,3\n4,\n", "people.csv")

    assert read(FileRecipients(path)) == [
        BadRow("1 fields, and the header has 2"),
        BadRow("3 fields, and the header has 2"),
        {"external_user_id": "4"},
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file has no header line"),
        (b"\nexternal_user_id\n1\n", "the file has no header line"),
        (b"email,braze_id,email\n", "the header names a column more than once"),
        (b'braze_id\na\n"b"c\n', "line 3 is not CSV: "),
        (b'braze_id\na\n"b\nc', "line 4 is not CSV: unexpected end of data"),
        (b"braze_id\na\nJos\xe9\n", "line 3 is not UTF-8"),
        (b"Jos\xe9\n", "line 1 is not UTF-8"),
    ],
)
def test_a_file_that_is_not_csv_is_refused_with_the_line(write, content, reason):
    path = write(content, "people.csv")

    with pytest.raises(BrazeValidationError) as caught:
        read(FileRecipients(path))
    assert f"  - {reason}" in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize("line", [2, 3, 1_234, 9_999])
def test_the_line_that_is_not_utf8_is_named_wherever_it_stands(write, line):
    lines = [b"braze_id", *(b"person-%d" % number for number in range(2, 10_001))]
    lines[line - 1] = b"Jos\xe9"

    with pytest.raises(BrazeValidationError, match=f"line {line} is not UTF-8"):
        read(FileRecipients(write(b"\n".join(lines), "people.csv")))


PEOPLE = [["external_user_id", "trigger_properties.city"], ["ada", "Zürich"], ["bob", "Łódź; Graz"]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-16", "iso-8859-2"])
def test_csv_may_have_another_delimiter_and_encoding(write, delimiter, encoding):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(PEOPLE)
    source = FileRecipients(
        write(text.getvalue().encode(encoding), "p.csv"), delimiter=delimiter, encoding=encoding
    )

    assert read(source) == [
        {"external_user_id": "ada", "trigger_properties": {"city": "Zürich"}},
        {"external_user_id": "bob", "trigger_properties": {"city": "Łódź; Graz"}},
    ]


@pytest.mark.parametrize(
    ("given", "delimiter"), [(",", ";"), (",", "\t"), (",", "|"), (";", ",")], ids=lambda mark: ascii(mark)
)
def test_a_header_with_another_delimiter_is_refused_with_the_right_one(write, given, delimiter):
    source = FileRecipients(
        write(f"external_user_id{delimiter}email\na{delimiter}b\n", "p.csv"), delimiter=given
    )

    with pytest.raises(BrazeValidationError, match=re.escape(f"is delimiter={delimiter!r} missing?")):
        read(source)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_a_file_that_is_not_utf8_fails_with_a_suggestion(write, encoding):
    path = write("external_user_id\nZoë\n".encode(encoding), "p.csv")

    with pytest.raises(
        BrazeValidationError, match=rf"is not UTF-8; give its encoding, perhaps encoding='{encoding}'"
    ):
        read(FileRecipients(path))
    assert read(FileRecipients(path, encoding=encoding)) == [{"external_user_id": "Zoë"}]


def test_a_file_that_is_not_in_the_given_encoding_is_refused(write):
    path = write("external_user_id\nZoë\n", "p.csv")

    with pytest.raises(BrazeValidationError, match=r"line 2 is not ascii$"):
        read(FileRecipients(path, encoding="ascii"))
    with pytest.raises(BrazeValidationError, match="is not utf-16: "):
        read(FileRecipients(path, encoding="utf-16"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"delimiter": ";;"}, "delimiter must be one character, not ';;'"),
        ({"delimiter": ""}, "delimiter must be one character, not ''"),
        ({"encoding": "utf-88"}, "encoding 'utf-88' is unknown to Python"),
    ],
)
def test_options_of_csv_that_cannot_be_are_refused_when_the_dag_is_parsed(options, reason):
    with pytest.raises(BrazeError, match=reason):
        FileRecipients("p.csv", **options)


@pytest.mark.parametrize(
    ("path", "package"),
    [
        ("s3://bucket/p.csv", "apache-airflow-providers-amazon[s3fs]"),
        ("gs://bucket/p.csv", "apache-airflow-providers-google"),
        ("abfs://bucket/p.csv", "apache-airflow-providers-microsoft-azure"),
    ],
)
def test_a_storage_without_its_provider_names_the_package(path, package):
    with pytest.raises(BrazeError, match=re.escape(f"needs a provider: pip install '{package}'")):
        read(FileRecipients(path))


def test_an_unknown_column_is_the_files_mistake_and_ends_the_reading(write):
    with pytest.raises(BrazeValidationError, match="column 'zip' fits no field of a recipient"):
        read(FileRecipients(write("braze_id,zip\n1,2\n", "people.csv")))


def test_a_file_without_a_header_is_refused_without_its_data(write):
    path = write("ada@example.com,Lovelace\nbob@example.com,Bob\n", "people.csv")

    with pytest.raises(
        BrazeValidationError, match="none of its columns fits a field of a recipient"
    ) as caught:
        read(FileRecipients(path))
    assert "ada" not in str(caught.value)
    assert "Lovelace" not in str(caught.value)


# Parquet -------------------------------------------------------------------------------------------------


@pytest.fixture
def write_parquet(tmp_path) -> Write:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write_parquet(rows: list[dict[str, Any]]) -> str:
        path = tmp_path / "people.parquet"
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return str(path)

    return write_parquet


def test_flat_columns_of_parquet_are_recipients(write_parquet):
    path = write_parquet(
        [
            {"external_user_id": 1, "trigger_properties.total": 9.5, "send_to_existing_only": True},
            {"external_user_id": 2, "trigger_properties.total": None, "send_to_existing_only": None},
        ]
    )

    assert read(FileRecipients(path)) == [
        {"external_user_id": "1", "trigger_properties": {"total": 9.5}, "send_to_existing_only": True},
        {"external_user_id": "2"},
    ]


def test_struct_and_list_columns_of_parquet_are_objects_and_arrays(write_parquet):
    row = {
        "user_alias": {"alias_name": "ada", "alias_label": "shop"},
        "trigger_properties": {"order": {"total": 5}, "items": ["a", None]},
        "prioritization": ["identified"],
    }

    assert read(FileRecipients(write_parquet([row]))) == [row]


def test_null_within_a_struct_deletes_no_attribute(write_parquet):
    path = write_parquet(
        [
            {"braze_id": "a", "attributes": {"country": "GB", "home": {"city": None, "zip": "1"}}},
            {"braze_id": "b", "attributes": {"country": None, "home": None}},
            {"braze_id": "c", "attributes": None},
        ]
    )

    assert read(FileRecipients(path)) == [
        {"braze_id": "a", "attributes": {"country": "GB", "home": {"zip": "1"}}},
        {"braze_id": "b", "attributes": {}},
        {"braze_id": "c"},
    ]


def test_more_rows_than_one_fetch_are_all_read(write_parquet):
    path = write_parquet([{"external_user_id": number} for number in range(12_000)])

    assert [row["external_user_id"] for row in read(FileRecipients(path))] == list(map(str, range(12_000)))


def test_a_column_twice_is_refused(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "people.parquet"
    parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, names=["email"] * 2), path)

    with pytest.raises(BrazeValidationError, match="names a column more than once"):
        read(FileRecipients(str(path)))


def test_a_file_that_is_not_parquet_is_refused(write):
    pytest.importorskip("pyarrow")

    with pytest.raises(BrazeValidationError, match="is not a Parquet file"):
        read(FileRecipients(write("external_user_id\n1\n", "people.parquet")))


def test_parquet_without_its_reader_says_what_to_install(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(BrazeError, match=r"pip install 'airflow-provider-braze-messaging\[parquet\]'"):
        read(FileRecipients(write("", "people.parquet")))


# Compressed files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.jsonl.gz", b'{"braze_id": "a"}\n{"braze_id": "b"}\n'),
        ("people.csv.gz", b"braze_id\na\nb\n"),
        ("PEOPLE.CSV.GZ", b"braze_id\na\nb\n"),
    ],
)
def test_a_file_that_ends_in_gz_is_unpacked_while_it_is_read(write, name, content):
    path = write(gzip.compress(content), name)

    assert read(FileRecipients(path)) == [{"braze_id": "a"}, {"braze_id": "b"}]


def test_a_gzip_file_that_breaks_off_is_refused(write):
    whole = gzip.compress(json.dumps({"braze_id": "a"}).encode() * 100)

    for part in (whole[: len(whole) // 2], b"no gzip at all"):
        with pytest.raises(BrazeValidationError, match="is not a complete gzip file"):
            read(FileRecipients(write(part, "people.jsonl.gz")))


# Formats and places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people.txt", "people", "people.gz", "csv", "people.csv.zip"])
def test_an_unknown_file_ending_is_refused(write, name):
    with pytest.raises(BrazeError, match="the file name tells no format; give file_format="):
        read(FileRecipients(write("", name)))


def test_the_format_can_be_told(write):
    path = write("braze_id\na\n", "people.txt")

    assert read(FileRecipients(path, file_format="csv")) == [{"braze_id": "a"}]


def test_a_format_that_there_is_not_is_refused(write):
    unknown: Any = "xml"

    with pytest.raises(BrazeError, match="file_format must be one of jsonl, csv, parquet"):
        read(FileRecipients(write("", "people.csv"), file_format=unknown))


def test_a_file_url_is_a_path(write):
    path = write("braze_id\na\n", "people.csv")

    assert read(FileRecipients(f"file://{path}")) == [{"braze_id": "a"}]


def test_any_storage_that_airflow_reaches_will_do():
    attach = pytest.importorskip("airflow.sdk.io").attach
    storage = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem()
    try:
        attach(protocol="memory", fs=storage)
        storage.pipe("/bucket/people.csv", b"braze_id\na\n")
        opened = airflow.sdk.ObjectStoragePath("memory://bucket/people.csv").open("rb")
    except ValueError as error:
        pytest.skip(f"this Airflow: {error}")
    opened.close()

    assert read(FileRecipients("memory://bucket/people.csv")) == [{"braze_id": "a"}]


@pytest.mark.parametrize("conn_id", [None, "warehouse"])
def test_airflows_storage_is_asked_with_path_and_connection(write, monkeypatch, conn_id):
    path = Path(write("braze_id\na\n", "people.csv"))
    asked = []

    def storage(*args: Any, **kwargs: Any) -> Path:
        asked.append((args, kwargs))
        return path

    monkeypatch.setattr(airflow.sdk, "ObjectStoragePath", storage)

    read(FileRecipients("s3://bucket/people.csv", conn_id))

    assert asked == [(("s3://bucket/people.csv",), {"conn_id": conn_id})]


@pytest.fixture
def bucket() -> Iterator[str]:
    """A bucket on object storage."""
    storage = MemoryFileSystem()
    attach(protocol="memory", fs=storage)
    yield "memory://bucket"
    storage.store.clear()


@pytest.mark.parametrize("name", ["people.jsonl", "people.csv", "people.csv.gz", "people.parquet"])
def test_every_kind_of_file_is_read_from_object_storage(bucket, write, write_parquet, name):
    local = {
        "people.jsonl": lambda: write('{"external_user_id": "a"}\n{"external_user_id": "b"}\n', name),
        "people.csv": lambda: write("external_user_id\na\nb\n", name),
        "people.csv.gz": lambda: write(gzip.compress(b"external_user_id\na\nb\n"), name),
        "people.parquet": lambda: write_parquet([{"external_user_id": "a"}, {"external_user_id": "b"}]),
    }
    path = f"{bucket}/{name}"
    airflow.sdk.ObjectStoragePath(path).write_bytes(Path(local[name]()).read_bytes())

    assert read(FileRecipients(path)) == [{"external_user_id": "a"}, {"external_user_id": "b"}]


def test_a_file_that_is_not_there_is_pythons_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(FileRecipients(str(tmp_path / "people.csv")))


def test_the_file_is_closed_when_reading_stops_early(write, monkeypatch):
    path = Path(write("braze_id\n" + "a\n" * (ROWS_PER_CHUNK + 1), "people.csv"))
    opened = []

    class Storage:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def open(self, mode: str) -> Any:
            opened.append(path.open(mode))
            return opened[0]

    monkeypatch.setattr(airflow.sdk, "ObjectStoragePath", Storage)
    reading = FileRecipients(str(path)).recipients(COLUMNS)
    next(reading)
    assert not opened[0].closed

    reading.close()

    assert opened[0].closed


def test_logs_and_stored_fields_show_the_path():
    source = FileRecipients("s3://bucket/people.csv", "warehouse")

    shown = "FileRecipients('s3://bucket/people.csv')"
    assert (repr(source), str(source), source.serialize()) == (shown, shown, shown)
