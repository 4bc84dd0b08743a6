"""DICOM series are told apart, ordered, and chosen by what a user can say about them."""

import numpy as np
import pytest

from medsynth.base.errors import InputError
from medsynth.reading import choose_series, group_series, read_header, read_series


@pytest.fixture
def stack(dicom, values):
    """Write a series of slices; return their headers in the order of writing."""

    def write(uid, *, places=(2, 0, 1), size=(4, 4), folder="p", **tags):
        paths = [
            dicom(
                values((1, *size), seed=k),
                name=f"{folder}/{uid}-{k}.dcm",
                **({"SeriesInstanceUID": uid, "InstanceNumber": k, "ImagePositionPatient": [place, 0, place]} | tags),
            )
            for k, place in enumerate(places)
        ]
        return [read_header(path) for path in paths]

    return write


def names(series):
    return [[header.path.stem for header in one.headers] for one in series]


def test_slices_are_ordered_along_their_normal(stack):
    (series,) = group_series(stack("1.1"))
    assert names([series]) == [["1.1-1", "1.1-2", "1.1-0"]]
    assert series.stack
    assert read_series([header.path for header in series.headers]).affine is not None


def test_moments_and_echoes_at_one_place_become_volumes(stack):
    headers = stack("1.1", places=(0, 1), EchoTime=10)
    headers += stack("1.1", places=(0, 1), folder="q", EchoTime=80)
    series = group_series(headers)
    assert [[header.extra["echo"] for header in one.headers] for one in series] == [[10, 10], [80, 80]]
    assert [one.part for one in series] == [0, 1]
    plain = group_series(stack("1.2", places=(0, 1, 0, 1)))
    assert names(plain) == [["1.2-0", "1.2-1"], ["1.2-2", "1.2-3"]]


def test_a_localizer_of_three_planes_is_three_volumes_and_left_out_beside_others(stack):
    scout = stack("1.1", SeriesDescription="Localizer")
    scout += stack("1.1", folder="p2", SeriesDescription="Localizer", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    wanted = stack("1.2", SeriesDescription="t2_tse_tra")
    series = group_series(scout + wanted)
    assert sorted(one.first.orientation for one in series) == ["sag", "tra", "tra"]
    choice = choose_series(series)
    assert [one.uid for one in choice.chosen] == ["1.2"]
    assert [(one.uid, reason) for one, reason in choice.left_out] == [("1.1", "localizers")] * 2
    assert choose_series(group_series(scout)).left_out == ()


def test_several_series_of_a_patient_ask_for_a_choice_and_list_what_there_is(stack):
    series = group_series(stack("1.1", SeriesDescription="t1_tra") + stack("1.2", SeriesDescription="t2_tse_tra"))
    with pytest.raises(InputError, match=r"p holds several series: 1\.1 \(t1_tra, MR, tra, 3 of 4 x 4\)") as caught:
        choose_series(series)
    assert 'data.series="t2*tra*"' in caught.value.hint
    apart = stack("1.3", folder="a") + stack("1.4", folder="b")
    assert len(choose_series(group_series(apart)).chosen) == 2


@pytest.mark.parametrize(
    ("wanted", "uids"),
    [
        ("t2*tra*", ["1.2"]),
        ("T2_TSE_TRA", ["1.2"]),
        ("1.1", ["1.1"]),
        ("modality=ct", ["1.3"]),
        ("orientation=sag", ["1.4"]),
        ("size=8x6", ["1.1"]),
        ("size=>=6", ["1.1"]),
        ("size>=6", ["1.1"]),
        ("description=t2*, orientation=tra", ["1.2"]),
        ("modality=MR,orientation=tra,size=largest", ["1.2"]),
    ],
)
def test_a_series_is_chosen_by_what_it_says(stack, wanted, uids):
    headers = stack("1.1", size=(6, 8), SeriesDescription="t1_tra", places=(0, 1))
    headers += stack("1.2", SeriesDescription="t2_tse_tra")
    headers += stack("1.3", SeriesDescription="ct", Modality="CT")
    headers += stack("1.4", SeriesDescription="t2_tse_sag", ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    choice = choose_series(group_series(headers), wanted)
    assert [one.uid for one in choice.chosen] == uids
    assert len(choice.chosen) + len(choice.left_out) >= 4


def test_patients_without_the_wanted_series_are_left_out_and_none_at_all_is_an_error(stack):
    headers = stack("1.1", SeriesDescription="t2_tra") + stack("1.2", PatientID="Joe", SeriesDescription="t1")
    choice = choose_series(group_series(headers), "t2*")
    assert [reason for _, reason in choice.left_out] == ["series that are not t2*"]
    for wanted, text in (("flair*", "fits none of the series"), ("color=red", "cannot be understood")):
        with pytest.raises(InputError, match=text):
            choose_series(group_series(headers), wanted)


def test_single_images_of_many_series_are_all_used(stack):
    headers = [
        header
        for k in range(6)
        for header in stack(
            f"1.{k}", places=(0,), Modality="US", ImagePositionPatient=None, ImageOrientationPatient=None
        )
    ]
    choice = choose_series(group_series(headers))
    assert len(choice.chosen) == 6
    assert not any(one.stack for one in choice.chosen)
    same = stack("1.9", Modality="US", ImagePositionPatient=None)
    assert [len(one.headers) for one in group_series(same)] == [1, 1, 1]


def test_single_images_beside_a_volume_are_left_out_and_told(stack):
    headers = stack("1.1") + stack("1.2", places=(0,), Modality="OT", ImagePositionPatient=None)
    choice = choose_series(group_series(headers))
    assert [one.uid for one in choice.chosen] == ["1.1"]
    assert [reason for _, reason in choice.left_out] == ["single images beside a volume"]


def test_a_file_with_frames_stands_alone(dicom, values):
    headers = [read_header(dicom(values((3, 4, 4)), name=f"{k}.dcm", Modality="US")) for k in range(2)]
    series = group_series(headers)
    assert [one.slices for one in series] == [3, 3]
    assert np.array_equal(read_series([series[0].first.path]).values, values((3, 4, 4)))
