"""No false refusal: configs in the model zoo's usual styles, medsynth's own bundle, MONAI's own names."""

import importlib
import json

import pytest
import yaml

from medsynth.bundle.audit import Verdict, audit_bundle
from medsynth.bundle.audit.rules.targets import Names, judge_target
from medsynth.bundle.audit.rules.wordlists import components

from .samples import files, write

TRAIN = {
    "imports": ["$import glob", "$import os", "$import ignite"],
    "bundle_root": ".",
    "ckpt_dir": "$@bundle_root + '/models'",
    "output_dir": "$@bundle_root + '/eval'",
    "dataset_dir": "data",
    "images": "$list(sorted(glob.glob(@dataset_dir + '/imagesTr/*.nii.gz')))",
    "labels": "$list(sorted(glob.glob(@dataset_dir + '/labelsTr/*.nii.gz')))",
    "val_interval": 5,
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network_def": {"_target_": "UNet", "spatial_dims": 3, "channels": [16, 32], "strides": [2], "norm": "batch"},
    "network": "$@network_def.to(@device)",
    "loss": {"_target_": "DiceCELoss", "to_onehot_y": True, "softmax": True, "squared_pred": True, "batch": True},
    "optimizer": {"_target_": "torch.optim.Adam", "params": "$@network.parameters()", "lr": 0.0001},
    "lr_scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "optimizer": "@optimizer", "step_size": 10},
    "train": {
        "deterministic_transforms": [
            {"_target_": "LoadImaged", "keys": ["image", "label"]},
            {"_target_": "EnsureChannelFirstd", "keys": ["image", "label"]},
            {"_target_": "Orientationd", "keys": ["image", "label"], "axcodes": "RAS"},
            {
                "_target_": "Spacingd",
                "keys": ["image", "label"],
                "pixdim": [1.5, 1.5, 2],
                "mode": ["bilinear", "nearest"],
            },
            {"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": -57, "a_max": 164, "b_min": 0, "b_max": 1},
            {"_target_": "EnsureTyped", "keys": ["image", "label"]},
        ],
        "random_transforms": [{"_target_": "RandCropByPosNegLabeld", "keys": ["image"], "label_key": "label"}],
        "preprocessing": {
            "_target_": "Compose",
            "transforms": "$@train#deterministic_transforms + @train#random_transforms",
        },
        "dataset": {
            "_target_": "CacheDataset",
            "data": "$[{'image': i, 'label': l} for i, l in zip(@images[:-9], @labels[:-9])]",
            "transform": "@train#preprocessing",
            "cache_rate": 1.0,
            "num_workers": 4,
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@train#dataset", "batch_size": 2, "shuffle": True},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": "%validate#postprocessing",
        "handlers": [
            {"_target_": "LrScheduleHandler", "lr_scheduler": "@lr_scheduler", "print_lr": True},
            {
                "_target_": "ValidationHandler",
                "validator": "@validate#evaluator",
                "epoch_level": True,
                "interval": "@val_interval",
            },
            {
                "_target_": "StatsHandler",
                "tag_name": "train_loss",
                "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
            },
            {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir", "tag_name": "train_loss"},
        ],
        "key_metric": {
            "train_accuracy": {
                "_target_": "ignite.metrics.Accuracy",
                "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
            }
        },
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": 1260,
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            "network": "@network",
            "loss_function": "@loss",
            "optimizer": "@optimizer",
            "inferer": "@train#inferer",
            "train_handlers": "@train#handlers",
            "amp": True,
        },
    },
    "validate": {
        "preprocessing": {"_target_": "Compose", "transforms": "%train#deterministic_transforms"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": ["pred", "label"], "argmax": [True, False], "to_onehot": 2},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96], "sw_batch_size": 4, "overlap": 0.5},
        "handlers": [
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "CheckpointSaver",
                "save_dir": "@ckpt_dir",
                "save_dict": {"model": "@network"},
                "save_key_metric": True,
            },
        ],
        "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device", "network": "@network"},
    },
    "initialize": ["$monai.utils.set_determinism(seed=123)"],
    "run": ["$@train#trainer.run()"],
}
EVALUATE = {
    "validate#handlers": [
        {
            "_target_": "CheckpointLoader",
            "load_path": "$@ckpt_dir + '/model.pt'",
            "load_dict": {"model": "@network"},
            "_disabled_": "$not os.path.exists(@ckpt_dir + '/model.pt')",
        },
        {
            "_target_": "MetricsSaver",
            "save_dir": "@output_dir",
            "metrics": ["val_mean_dice"],
            "batch_transform": "$lambda x: [xx['image'].meta for xx in x]",
            "summary_ops": "*",
        },
    ],
    "initialize": ["$setattr(torch.backends.cudnn, 'benchmark', True)"],
    "run": ["$@validate#evaluator.run()"],
}
MULTI_GPU = {
    "device": "$torch.device('cuda:' + os.environ['LOCAL_RANK'])",
    "network": {
        "_target_": "torch.nn.parallel.DistributedDataParallel",
        "module": "$@network_def.to(@device)",
        "device_ids": ["@device"],
    },
    "train#sampler": {"_target_": "DistributedSampler", "dataset": "@train#dataset", "even_divisible": True},
    "train#trainer#train_handlers": "$@train#handlers[: -2 if dist.get_rank() > 0 else None]",
    "initialize": [
        "$import torch.distributed as dist",
        "$dist.is_initialized() or dist.init_process_group(backend='nccl')",
        "$torch.cuda.set_device(@device)",
        "$import logging",
        "$@train#trainer.logger.setLevel(logging.WARNING if dist.get_rank() > 0 else logging.INFO)",
    ],
    "run": ["$@train#trainer.run()"],
    "finalize": ["$dist.is_initialized() and dist.destroy_process_group()"],
}
TEMPLATES = {
    "imports": [
        "$import os",
        "$import glob",
        "$import datetime",
        "$import operator",
        "$import torch.distributed as dist",
    ],
    "image": "$monai.utils.CommonKeys.IMAGE",
    "label": "$monai.utils.CommonKeys.LABEL",
    "both_keys": ["@image", "@label"],
    "rank": "$dist.get_rank() if dist.is_initialized() else 0",
    "is_not_rank0": "$@rank > 0",
    "local_rank": "$os.environ['LOCAL_RANK']",
    "device": "$torch.device('cuda:' + @local_rank if torch.cuda.is_available() else 'cpu')",
    "bundle_root": ".",
    "ckpt_path": "$@bundle_root + '/models/model.pt'",
    "results_dir": "$@bundle_root + '/results'",
    "output_dir": "$datetime.datetime.now().strftime(@results_dir + '/output_%y%m%d_%H%M%S')",
    "imgs": "$sorted(glob.glob(os.path.join(@bundle_root, 'data', '*[!seg].jpg')))",
    "lbls": "$[i.replace('.jpg', '_seg.jpg') for i in @imgs]",
    "all_pairs": "$[{@image: i, @label: l} for i, l in zip(@imgs, @lbls)]",
    "partitions": "$monai.data.partition_dataset(@all_pairs, (4, 1), shuffle=True, seed=0)",
    "train_sub": "$@partitions[0]",
    "use_imagenet_pretrain": False,
    "network_def": {
        "_target_": "FlexibleUNet",
        "in_channels": 3,
        "out_channels": 2,
        "backbone": "efficientnet-b2",
        "pretrained": "@use_imagenet_pretrain",
    },
    "network": "$@network_def.to(@device)",
    "load": "$@network_def.load_state_dict(torch.load(@ckpt_path, map_location='cpu', weights_only=True))",
    "load_image": {"_target_": "LoadImaged", "keys": "@both_keys", "reader": "itkreader", "image_only": True},
    "rotate": {"_target_": "RandRotated", "keys": "@image", "range_x": ["$-np.pi / 36", "$np.pi / 36"]},
    "regions": {
        "_target_": "Lambdad",
        "keys": "pred",
        "func": "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))",
    },
    "boxes": {"_target_": "ClipBoxToImaged", "box_keys": "box", "label_keys": "label", "box_ref_image_keys": "image"},
    "pairs": "$map(lambda t: dict(image=t[0], label=t[1]), zip(*@partitions))",
    "preprocessing": {"_target_": "Compose", "transforms": ["@load_image", "@rotate"]},
    "transform": "$@preprocessing.set_random_state(123)",
    "save": {
        "_target_": "SaveImaged",
        "keys": "pred",
        "meta_keys": "pred_meta_dict",
        "output_dir": "@output_dir",
        "output_postfix": "seg",
        "output_ext": ".png",
        "output_dtype": "uint8",
        "writer": "PILWriter",
        "squeeze_end_dims": True,
    },
    "handlers": [
        {"_target_": "LogfileHandler", "output_dir": "@output_dir"},
        {
            "_target_": "CheckpointSaver",
            "_disabled_": "@is_not_rank0",
            "save_dir": "@output_dir",
            "save_dict": {"model": "@network"},
            "key_metric_name": "val_mean_dice",
        },
        {"_target_": "CheckpointLoader", "load_path": "@ckpt_path", "load_dict": {"model": "@network"}},
    ],
    "evaluator": {
        "_target_": "SupervisedEvaluator",
        "device": "@device",
        "val_data_loader": "@loader",
        "network": "@network",
        "key_val_metric": {"val_mean_dice": {"_target_": "MeanDice", "include_background": False}},
        "metric_cmp_fn": "$operator.lt",
        "val_handlers": "$list(filter(bool, @handlers))",
    },
    "loader": {"_target_": "ThreadDataLoader", "dataset": "@train_sub", "persistent_workers": "$2 > 0"},
    "quiet": "$@evaluator.logger.setLevel(30)",
    "switch": "$setattr(torch.backends.cudnn, 'benchmark', True)",
    "make": "$os.makedirs(@output_dir, exist_ok=True)",
    "say": "$print('scale factor:', @rank)",
    "run": ["$@evaluator.run()"],
}
WITH_SCRIPTS = {
    "imports": [
        "$import glob",
        "$from scripts.inferer import Inferer",
        "$import scripts",
        "$import sys",
        "$from pathlib import Path",
    ],
    "dataset_dir": "/workspace/data/Task09_Spleen",
    "datalist": "$[{'image': str(p)} for p in sorted(Path(@dataset_dir).glob('*.nii'))]",
    "splits": "$json.load(open(@bundle_root + '/configs/splits.json'))['validation']",
    "network_def": {"_target_": "scripts.network.Net", "levels": "$len(@datalist)"},
    "load": "$@network_def.load_state_dict(torch.load(@bundle_root + '/models/model.pt', map_location='cpu'))",
    "pretrained": {"_target_": "EfficientNetBN", "model_name": "efficientnet-b0", "pretrained": True},
    "path": "$sys.path.append(@bundle_root)",
    "writer": {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "writer": "NibabelWriter"},
    "make": "$os.makedirs(@output_dir, exist_ok=True)",
    "say": "$print(f'{1 + 1} images')",
    "workflow": {"_target_": "functools.partial", "func": "$scripts.run"},
}


def _bundle(suffix):
    def dump(value):
        return (json.dumps(value) if suffix == "json" else yaml.safe_dump(value, sort_keys=False)).encode()

    configs = {"train": TRAIN, "evaluate": EVALUATE, "multi_gpu_train": MULTI_GPU}
    return {**files(), **{f"configs/{name}.{suffix}": dump(value) for name, value in configs.items()}}


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
def test_configs_in_the_model_zoos_styles_are_not_refused(tmp_path, suffix):
    audit = audit_bundle(write(tmp_path, _bundle(suffix)))
    assert [finding for finding in audit.findings if finding.verdict is Verdict.REFUSED] == []
    assert {finding.file.partition(".")[0] for finding in audit.objections} <= {
        "configs/multi_gpu_train",
        "configs/evaluate",
    }


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_plain_training_config_is_allowed(tmp_path, suffix):
    contents = {name: data for name, data in _bundle(suffix).items() if "evaluate" not in name and "multi" not in name}
    assert audit_bundle(write(tmp_path, contents)).objections == []


def test_the_templates_ways_with_devices_dates_folders_and_weights_are_allowed(tmp_path):
    assert (
        audit_bundle(write(tmp_path, {**files(), "configs/inference.json": json.dumps(TEMPLATES).encode()})).objections
        == []
    )


def test_a_bundle_with_scripts_needs_trust_and_is_not_refused(tmp_path):
    contents = {
        **files(),
        "configs/inference.json": json.dumps({**TRAIN, **WITH_SCRIPTS}).encode(),
        "scripts/__init__.py": b"",
        "scripts/network.py": b"import torch",
        "large_files.yml": b"large_files:\n- path: models/model.pt\n  url: https://example.org/a\n  hash_val: ab\n",
        "docs/data_license.txt": b"...",
    }
    audit = audit_bundle(write(tmp_path, contents))
    assert audit.verdict is Verdict.TRUST


def test_medsynths_own_bundle_needs_trust_for_its_code_alone(make_bundle):
    audit = audit_bundle(make_bundle())
    assert audit.verdict is Verdict.TRUST
    assert [(f.kind, f.what, f.reason) for f in audit.objections if f.kind not in ("code", "target")] == []


def test_every_name_listed_as_harmless_is_one_of_monai(recwarn):
    for area, names in components().items():
        assert names
        found = set(dir(importlib.import_module(f"monai.{area}"))) | _below(f"monai.{area}")
        assert names <= found


def _below(package):
    import sys

    return {
        name for module in list(sys.modules) if module.startswith(f"{package}.") for name in dir(sys.modules[module])
    }


@pytest.mark.parametrize(
    "name",
    ["UNet", "monai.networks.nets.UNet", "monai.networks.nets.unet.UNet", "monai.transforms.io.dictionary.LoadImaged"],
)
def test_a_component_is_known_by_its_bare_name_and_by_its_paths(name):
    assert judge_target(name, Names()).verdict is Verdict.ALLOWED


@pytest.mark.parametrize(
    "name", ["monai.networks.nets.torch.UNet", "monai.transforms.np.LoadImaged", "monai.data._x.DataLoader"]
)
def test_a_components_name_reached_through_another_module_is_not_enough(name):
    assert judge_target(name, Names()).verdict is not Verdict.ALLOWED
