import pytest

from medsynth.base.errors import InputError
from medsynth.data.listing.image_table import parse_manifest, read_manifest, write_manifest


def test_a_manifest_round_trips_with_its_further_columns(tmp_path, write, config):
    rows = write.rows(tmp_path, patients=2, center="Bergen", split="train")
    rows[0]["pair"] = rows[2]["image"]
    records = read_manifest(write.table(tmp_path, rows), config())
    assert records[0].extra == {"center": "Bergen"}
    assert (records[0].pair, records[1].label, records[1].split) == ("target0.png", 1, "train")
    write_manifest(records, tmp_path / "again.csv")
    assert [(r.image, r.label, r.extra) for r in read_manifest(tmp_path / "again.csv", config())] == [
        (r.image, r.label, r.extra) for r in records
    ]


def test_slices_survive_a_round_trip(tmp_path, write, config, make_record):
    write.png(tmp_path / "a.png")
    records = [make_record("a.png", slice=k, split="val") for k in (0, 3)]
    write_manifest(records, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv", config()) == records


def test_byte_order_mark_crlf_blank_lines_and_spaces_are_tolerated(tmp_path, write, config):
    write.png(tmp_path / "a.png")
    text = "\ufeffimage, domain ,label,patient\r\n a.png , target,1, p \r\n\r\n , , , \r\n"
    (tmp_path / "m.csv").write_bytes(text.encode())
    (only,) = read_manifest(tmp_path / "m.csv", config())
    assert (only.image, only.domain, only.label, only.patient) == ("a.png", "target", 1, "p")


def test_all_problems_are_told_at_once_with_row_numbers(tmp_path, write, config):
    rows = write.rows(tmp_path, patients=4)
    rows[0]["domain"] = "sorce"
    rows[1]["label"] = "7"
    rows[2]["patient"] = " "
    rows[3]["image"] = "gone.png"
    rows[4]["pair"] = "nobody.png"
    rows[5]["split"] = "holdout"
    rows[6]["image"] = rows[7]["image"]
    with pytest.raises(InputError) as caught:
        read_manifest(write.table(tmp_path, rows), config())
    for text in ("row 2: domain 'sorce'", "row 3: label '7'", "row 4: patient is empty", "row 5: image gone.png"):
        assert text in caught.value.message
    for text in ("row 6: pair nobody.png", "row 7: split 'holdout'", "row 9: image target3.png is already in row 8"):
        assert text in caught.value.message


def test_a_missing_column_is_named_with_the_nearest_one_present(tmp_path, config):
    (tmp_path / "m.csv").write_text("image,domain,label,patients\n")
    with pytest.raises(InputError, match="no column 'patient' \\(nearest column present: 'patients'\\)"):
        read_manifest(tmp_path / "m.csv", config())


@pytest.mark.parametrize("content", [b"", b"image,domain,label,patient\n", b"\xff\xfe\x00"])
def test_an_empty_or_unreadable_manifest_is_refused(tmp_path, config, content):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.csv"):
        read_manifest(tmp_path / "m.csv", config())


def test_class_names_need_the_positive_one(tmp_path, write, config):
    rows = write.rows(tmp_path)
    for row in rows:
        row["label"] = {"0": "benign", "1": "malignant"}[row["label"]]
    path = write.table(tmp_path, rows)
    with pytest.raises(InputError, match="'benign' and 'malignant'") as caught:
        read_manifest(path, config())
    assert "--set data.positive=" in caught.value.hint
    assert [r.label for r in read_manifest(path, config(positive="benign"))] == [1, 0] * 6


def test_a_misspelt_positive_class_shows_the_nearest(tmp_path, write, config):
    rows = write.rows(tmp_path)
    for row in rows:
        row["label"] = {"0": "benign", "1": "malignant"}[row["label"]]
    problems = parse_manifest(write.table(tmp_path, rows), config(positive="malignent")).problems
    assert [problem.hint for problem in problems] == ["did you mean 'malignant'?"]


def test_three_class_names_are_refused(tmp_path, write, config):
    rows = write.rows(tmp_path)
    for row, name in zip(rows, "abcabcabcabc", strict=True):
        row["label"] = name
    problems = parse_manifest(write.table(tmp_path, rows), config(positive="a")).problems
    assert "3 classes found where two are needed: a, b, c" in problems[0].message


@pytest.mark.parametrize(
    ("encode", "text", "hint"),
    [
        (lambda text: text.replace(",", ";").encode(), "separates its columns by semicolons", "commas"),
        (lambda text: text.replace(",", "\t").encode(), "separates its columns by tabs", "commas"),
        (lambda text: text.encode("utf-16"), "is not UTF-8", "save it as UTF-8"),
        (lambda text: text.replace("in/source0.png", "in\\source0.png").encode(), "does not exist", "backslashes"),
        (lambda text: text.replace("in/source1.png", "in/a\u0308.png").encode(), "does not exist", "accented letters"),
    ],
)
def test_a_table_of_another_program_is_told_what_is_wrong_with_it(tmp_path, write, config, encode, text, hint):
    rows = write.rows(tmp_path / "in", patients=2)
    (tmp_path / "in/source1.png").rename(tmp_path / "in/\u00e4.png")
    names = {"source1.png": "\u00e4.png"} if hint != "accented letters" else {}
    lines = ["image,domain,label,patient"]
    lines += [f"in/{names.get(r['image'], r['image'])},{r['domain']},{r['label']},{r['patient']}" for r in rows]
    (tmp_path / "manifest.csv").write_bytes(encode("\n".join(lines)))
    (problem,) = parse_manifest(tmp_path / "manifest.csv", config()).problems
    assert text in problem.message
    assert hint in problem.hint


def test_one_image_under_two_spellings_is_one_too_many(tmp_path, write, config):
    rows = write.rows(tmp_path, patients=2)
    (tmp_path / "in").mkdir()
    rows[0]["image"], rows[1]["image"] = f"in/../{rows[0]['image']}", rows[0]["image"]
    (problem,) = parse_manifest(write.table(tmp_path, rows), config()).problems
    assert problem.message == "row 3: image source0.png is already in row 2"
