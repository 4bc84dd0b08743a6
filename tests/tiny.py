"""Settings of a run with LSNet that takes seconds."""

TINY = {
    "data.size": 32,
    "data.phantom_source": 20,
    "data.phantom_negative": 20,
    "data.phantom_positive": 10,
    "data.phantom_test": 10,
    "generator.width": 4,
    "generator.blocks": 1,
    "generator.discriminator_width": 4,
    "generator.epochs": 1,
    "generator.epoch_steps": 2,
    "generator.batch_size": 2,
    "classifier.student_width": 0.2,
    "classifier.teacher_width": 0.1,
    "classifier.heads": 2,
    "classifier.batch_size": 8,
    "classifier.pretrain_epochs": 1,
    "classifier.finetune_epochs": 1,
    "classifier.epoch_steps": 2,
    "evaluators.diagnostic.resamples": 200,
    "training.baselines": ["real-only", "untranslated"],
}
