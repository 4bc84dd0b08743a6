import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.data.listing.paths import central, find_images, relative
from medsynth.data.listing.sources import collect_sources, resolve_sources


def tree(write, folder, *names):
    for k, name in enumerate(names):
        write.png(folder / name, seed=k)


def rows(config):
    records, _ = resolve_sources(config)
    return {(r.image, r.domain, r.label, r.patient, r.split) for r in records}


@pytest.fixture
def target(tmp_path, write):
    """A manifest with target images only."""
    table = [row for row in write.rows(tmp_path / "t") if row["domain"] == "target"]
    return write.table(tmp_path / "t", table)


@pytest.fixture
def series(tmp_path, write, values):
    """A folder with a DICOM series of six slices whose file names run against their positions."""

    def build(name="scan", uid="1.2.3", **tags):
        for k in range(6):
            write.dicom(tmp_path / name / f"{uid}-{9 - k}", values(k, (1, 8, 8)), series=uid, number=k, **tags)
        return tmp_path / name

    return build


def test_a_folder_with_a_manifest_is_its_manifest(tmp_path, write, config):
    write.table(tmp_path, write.rows(tmp_path))
    assert rows(config(tmp_path)) == rows(config(tmp_path / "manifest.csv"))


def test_the_cyclegan_layout_knows_domains_and_splits_but_no_labels(tmp_path, write, config):
    tree(write, tmp_path, "trainA/1.png", "trainB/1.png", "testA/1.png", "testB/2.png", "valB/p/3.png")
    assert rows(config(tmp_path, source_label="0")) == {
        ("trainA/1.png", "source", 0, "trainA/1", "train"),
        ("testA/1.png", "source", 0, "testA/1", "test"),
        ("trainB/1.png", "target", None, "trainB/1", "train"),
        ("testB/2.png", "target", None, "testB/2", "test"),
        ("valB/p/3.png", "target", None, "p", "val"),
    }


def test_two_class_folders_inside_the_cyclegan_layout_are_labels(tmp_path, write, config):
    tree(write, tmp_path, "trainA/x.png", "trainB/ill/ann/1.png", "trainB/well/2.png", "testB/ill/3.png")
    found = rows(config(tmp_path, positive="ill", source_label="ill"))
    assert ("trainB/ill/ann/1.png", "target", 1, "ann", "train") in found
    assert ("trainB/well/2.png", "target", 0, "trainB/well/2", "train") in found
    assert ("trainA/x.png", "source", 1, "trainA/x", "train") in found


def test_class_folders_per_domain(tmp_path, write, config):
    tree(write, tmp_path, "source/ill/bob/1.png", "source/2.png", "target/ill/ann/1.png", "target/well/2.png")
    found = rows(config(tmp_path, positive="ill", source_label="0"))
    assert ("source/ill/bob/1.png", "source", 1, "bob", "") in found
    assert ("source/2.png", "source", 0, "source/2", "") in found
    assert ("target/well/2.png", "target", 0, "target/well/2", "") in found


def test_class_folders_ask_for_the_positive_class_only(tmp_path, write, config):
    tree(write, tmp_path, "source/1.png", "target/ill/1.png", "target/well/2.png")
    with pytest.raises(InputError, match="'ill' and 'well'; which one is positive is not known"):
        resolve_sources(config(tmp_path))


def test_unknown_source_labels_are_asked_for_with_their_number(tmp_path, write, config):
    table = write.rows(tmp_path)
    for row in table[:2]:
        row["label"] = ""
    path = write.table(tmp_path, table)
    with pytest.raises(InputError, match="2 of 6 source images have no label") as caught:
        resolve_sources(config(path))
    assert "--set data.source_label=1" in caught.value.hint
    records, _ = resolve_sources(config(path, source_label="1"))
    assert [r.label for r in records if r.domain == "source"] == [1, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(("path", "text"), [("nowhere", "does not exist"), ("empty", "no known layout")])
def test_an_unknown_layout_lists_the_known_ones(tmp_path, config, path, text):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=text) as caught:
        resolve_sources(config(tmp_path / path))
    assert "trainA trainB testA testB" in caught.value.hint


def test_a_dicom_series_replaces_the_source_in_the_order_of_its_positions(tmp_path, target, series, config):
    series()
    records, root = resolve_sources(config(target, source=str(tmp_path / "scan"), source_label="1"))
    own = [r for r in records if r.domain == "source"]
    assert [r.image for r in own] == [f"../scan/1.2.3-{9 - k}" for k in range(6)]
    assert all((root / r.image).is_file() for r in own)
    assert len({r.patient for r in own}) == 1


def test_the_patient_of_a_dicom_file_is_a_pseudonym(tmp_path, target, series, config):
    series()
    records, _ = resolve_sources(config(target, source=str(tmp_path / "scan"), source_label="1"))
    patient = next(r.patient for r in records if r.domain == "source")
    assert patient.startswith("p")
    assert "Jane" not in patient
    assert patient != "17"


def test_mixed_series_are_listed_and_one_can_be_chosen(tmp_path, target, series, config):
    series(uid="1.2.3")
    series(uid="1.2.30")
    options = {"source": str(tmp_path / "scan"), "source_label": "1"}
    with pytest.raises(
        InputError, match=r"holds several series: 1\.2\.3 \(scan 1\.2\.3, MR, tra, 6 of 8 x 8\); 1\.2\.30"
    ) as caught:
        resolve_sources(config(target, **options))
    assert 'data.series="t2*tra*"' in caught.value.hint
    for choice in ("1.2.30", "SCAN*30", "description=*30,modality=MR"):
        table = collect_sources(config(target, series=choice, **options))
        assert sum(r.domain == "source" for r in table.records) == 6
        assert all("1.2.30-" in r.image for r in table.records if r.domain == "source")
        assert [one.reason for one in table.left_out] == [f"series that are not {choice}"] * 6


@pytest.mark.parametrize("count", [1, 2])
def test_an_unknown_series_is_refused(tmp_path, target, series, config, count):
    for k in range(count):
        series(uid=f"1.2.{k}")
    with pytest.raises(InputError, match=r"9\.9"):
        resolve_sources(config(target, source=str(tmp_path / "scan"), source_label="1", series="9.9"))


def test_the_central_share_of_series_volumes_and_cines_is_used(tmp_path, write, values, series, config):
    table = write.rows(tmp_path, patients=1)
    series()
    write.nifti(tmp_path / "v.nii.gz", values(0, (4, 4, 8)))
    write.dicom(tmp_path / "cine.dcm", values(0, (4, 8, 8)))
    table += [table[0] | {"image": name, "patient": name} for name in ("scan", "v.nii.gz", "cine.dcm")]
    records, _ = resolve_sources(config(write.table(tmp_path, table), slices=0.5))
    assert [r.image for r in records if r.patient == "scan"] == ["scan/1.2.3-8", "scan/1.2.3-7", "scan/1.2.3-6"]
    assert [r.name for r in records if r.patient == "v.nii.gz"] == [f"v.nii.gz#{k}" for k in (2, 3, 4, 5)]
    assert [r.slice for r in records if r.patient == "cine.dcm"] == [1, 2]


@pytest.mark.parametrize("name", ["one.png", "one.nii.gz", "deep"])
def test_an_image_a_volume_or_a_folder_can_be_the_source(tmp_path, target, write, values, config, name):
    if name == "one.png":
        write.png(tmp_path / name)
    elif name == "deep":
        tree(write, tmp_path, "deep/ann/a.png", "deep/b.png")
    else:
        write.nifti(tmp_path / name, values(0, (4, 4, 2)))
    records, root = resolve_sources(config(target, source=str(tmp_path / name), source_label="0"))
    own = [r for r in records if r.domain == "source"]
    assert len(own) == {"one.png": 1, "one.nii.gz": 2, "deep": 2}[name]
    assert all((root / r.image).is_file() for r in own)
    if name == "deep":
        assert {r.patient for r in own} == {"ann", "deep/b"}


def test_hidden_and_foreign_files_are_ignored_and_reported(tmp_path, write):
    tree(write, tmp_path, "a.png", ".b.png")
    (tmp_path / "notes.txt").write_text("hello")
    found = find_images(tmp_path)
    assert [file.path.name for file in found.files] == ["a.png"]
    assert [(one.path.name, one.reason) for one in found.left_out] == [
        (".b.png", "hidden files"),
        ("notes.txt", ".txt files"),
    ]


def test_a_source_without_images_is_refused(tmp_path, target, config):
    (tmp_path / "void").mkdir()
    assert "holds no images" in collect_sources(config(target, source=str(tmp_path / "void"))).problems[0].message


def test_the_central_share_is_never_empty():
    assert central(list(np.arange(3)), 0.01) == [1]


def test_a_choice_of_series_for_one_domain_leaves_the_other_alone(tmp_path, write, values, config):
    for k in range(2):
        write.dicom(tmp_path / f"trainA/{k}.dcm", values(k, (1, 8, 8)), series=f"1.{k}", SeriesDescription=f"t{k} tra")
        write.dicom(tmp_path / f"trainB/{k}.dcm", values(9 + k, (1, 8, 8)), series=f"2.{k}", Modality="US")
    records, _ = resolve_sources(config(tmp_path, source_label="0", series="t1*"))
    assert [r.image for r in records] == ["trainA/1.dcm", "trainB/0.dcm", "trainB/1.dcm"]
    problems = collect_sources(config(tmp_path, source_label="0", series="t3*")).problems
    assert ["data.series=t3* fits none" in problem.message for problem in problems] == [True]


def test_a_flat_folder_of_single_images_is_taken_whole_and_localizers_are_left_out(tmp_path, write, values, config):
    for k in range(3):
        write.dicom(tmp_path / f"trainB/{k}.dcm", values(k, (1, 8, 8)), series=f"1.{k}", Modality="US")
    for k in range(4):
        tags = {"series": "3.1", "number": k} if k else {"series": "3.0", "SeriesDescription": "3-plane localizer"}
        write.dicom(tmp_path / f"trainA/{k}.dcm", values(k, (1, 8, 8)), **tags)
    table = collect_sources(config(tmp_path, source_label="0"))
    assert table.problems == []
    assert [r.image for r in table.records if r.domain == "target"] == [f"trainB/{k}.dcm" for k in range(3)]
    assert [r.image for r in table.records if r.domain == "source"] == [f"trainA/{k}.dcm" for k in (1, 2, 3)]
    assert [(one.path.name, one.reason) for one in table.left_out] == [("0.dcm", "localizers")]


def test_patients_are_named_by_dicom_bids_a_pattern_a_folder_or_else_the_file(tmp_path, write, values, config):
    tree(write, tmp_path, "trainB/sub-02_T1w.png", "trainB/sub-02/anat/FLAIR.png", "trainB/P7_left.png")
    tree(write, tmp_path, "trainB/P7_right.png", "trainB/ann/1.png", "trainB/other.png", "trainA/1.png")
    write.dicom(tmp_path / "trainB/ann/2.dcm", values(8, (1, 8, 8)))
    write.dicom(tmp_path / "trainB/3.dcm", values(9, (1, 8, 8)))
    records, _ = resolve_sources(config(tmp_path, source_label="0", patient_pattern="/(P[0-9]+)_"))
    by_dicom = {r.patient for r in records if r.image.endswith(".dcm")}
    assert len(by_dicom) == 1
    assert {r.image: r.patient for r in records if not r.image.endswith(".dcm")} == {
        "trainB/sub-02_T1w.png": "sub-02",
        "trainB/sub-02/anat/FLAIR.png": "sub-02",
        "trainB/P7_left.png": "P7",
        "trainB/P7_right.png": "P7",
        "trainB/ann/1.png": "ann",
        "trainB/other.png": "trainB/other",
        "trainA/1.png": "trainA/1",
    }
    with pytest.raises(InputError, match=r"data.patient_pattern '\(' cannot be understood"):
        resolve_sources(config(tmp_path, source_label="0", patient_pattern="("))


def test_it_is_told_where_every_image_would_be_its_own_patient(tmp_path, write, config):
    tree(write, tmp_path, "trainA/ann/1.png", "trainA/2.png", "trainB/1.png", "trainB/2.png")
    ((kind, text),) = collect_sources(config(tmp_path, source_label="0")).warnings
    assert kind == "patients-unknown"
    assert "nothing tells whose the target images are, so they count as 2 patients" in text
    assert collect_sources(config(tmp_path, source_label="0", patient_pattern="[12]")).warnings == []


def test_links_to_folders_are_followed_and_their_images_are_found_again(tmp_path, write, target, config):
    tree(write, tmp_path, "far/away/disk/mri/ann/1.png", "far/away/disk/mri/2.png")
    (tmp_path / "near").symlink_to(tmp_path / "far/away/disk")
    (tmp_path / "t").rename(tmp_path / "far/away/disk/t")
    path = tmp_path / "near/t/manifest.csv"
    records, root = resolve_sources(config(path, source=str(tmp_path / "near/mri"), source_label="1"))
    assert all((root / r.image).is_file() for r in records)
    assert {r.image for r in records if r.domain == "source"} == {"../mri/ann/1.png", "../mri/2.png"}
    out = tmp_path / "runs"
    out.symlink_to(tmp_path / "far/away")
    listed = relative(root / records[0].image, out / "data")
    (out / "data").mkdir()
    assert (out / "data" / listed).samefile(root / records[0].image)
