"""A tiny random model of every causal architecture of transformers, by the names that its configuration gives to sizes."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from ufo_rl.model.weights import packaged

LAB = packaged("package:lab/tiny")
NAMES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
VOCABULARY, PAD, END = 265, 256, 257  # the lab's
SIZES = {
    VOCABULARY: "vocab_size vocab_size_per_layer_input",
    512: "max_position_embeddings n_positions max_seq_len n_ctx context_length max_target_positions",
    128: "intermediate_size moe_intermediate_size decoder_ffn_dim encoder_ffn_dim ffn_dim d_inner dff dim_ff mamba_d_ssm "
    "feed_forward_size shared_expert_intermediate_size shared_intermediate_size intermediate_size_mlp ffn_hidden_size "
    "dense_intermediate_size moe_shared_expert_intermediate_size expert_ffn_hidden_size",
    64: "hidden_size d_model n_embd word_embed_proj_dim emb_dim embedding_size input_embedding_size dim_model_base "
    "output_embedding_size backbone_hidden_size lru_width pronunciation_embed_dim shape_embed_dim",
    32: "q_lora_rank o_lora_rank hc_lowrank mamba_d_head mamba_head_dim",
    16: "head_dim qk_nope_head_dim v_head_dim kv_lora_rank linear_key_head_dim linear_value_head_dim linear_head_dim "
    "kv_channels dim_head swa_head_dim state_size ssm_state_size mamba_d_state d_rel attention_head_size laurel_rank "
    "index_head_dim adapter_rank gated_norm_rank router_hidden_size index_topk hidden_size_per_layer_input",
    8: "sliding_window window_size attention_window_size sliding_window_size local_attention attention_chunk_size "
    "qk_rope_head_dim rotary_dim keep_window_size chunk_size mamba_chunk_size block_size",
    4: "encoder_layers num_encoder_layers num_hidden_layers n_layer n_layers num_layers decoder_layers num_decoder_layers "
    "num_attention_heads n_head n_heads num_heads decoder_attention_heads num_decoder_attention_heads attention_heads "
    "encoder_attention_heads num_encoder_attention_heads swa_num_attention_heads num_experts n_routed_experts "
    "num_local_experts moe_num_experts index_n_heads mamba_n_heads mamba_num_heads linear_num_value_heads n_mamba_heads "
    "linear_num_heads zero_expert_num",
    2: "num_key_value_heads swa_num_key_value_heads num_experts_per_tok moe_topk moe_k "
    "linear_num_key_heads n_shared_experts n_groups",
    1: "n_group topk_group",
}
SIZE_OF = {name: size for size, names in SIZES.items() for name in names.split()}
OPTIONAL = {
    "sliding_window",
    "attention_chunk_size",
    "rotary_dim",
}  # None stays None: the architecture has no such thing
PARTS = ("text_config", "decoder", "decoder_config")
TEXT = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
}
AUDIO = {"hidden_size": 32, "intermediate_size": 32, "num_blocks": 1, "num_attention_heads": 2}
AUDIO |= {"ext_pw_out_channel": 32, "depthwise_separable_out_channel": 32, "nemo_conv_channels": 8}
NGRAMS = {"ngram_vocab_size_base": 500, "heads_per_ngram": 2, "split_ngram_parts": 1, "indexer_n_heads": 2}
NGRAMS |= {"indexer_kv_heads": 1, "indexer_head_dim": 16, "indexer_budget": 64, "indexer_compress_ratio": 4}
LAYERS = ("sliding_attention", "full_attention")
MLA = {"num_key_value_heads": 4}
HYBRID = ["linear_attention", "linear_attention", "hybrid", "linear_attention", "hybrid"]
EXTRA: dict[str, dict[str, Any]] = {
    "mamba2": {"head_dim": 32},
    "zamba": {"num_hidden_layers": 5, "layers_block_type": HYBRID},
    "zamba2": {"num_hidden_layers": 5, "layers_block_type": HYBRID, "mamba_d_state": 16},
    "zaya": {"num_experts_per_tok": 1},
    "gemma3n_text": {"num_hidden_layers": 5, "num_kv_shared_layers": 0},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "bamba": {"attn_layer_indices": [1, 3]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "kimi_linear": {"layer_types": ["linear_attention", "full_attention"] * 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "lfm2": {"layer_types": ["conv", "conv", "full_attention", "conv"]},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"]},
    "longcat_flash": {**MLA, "head_dim": 8},
    "dbrx": {"ffn_config": {"ffn_hidden_size": 64}, "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8}},
    "xmod": {"default_language": "en_XX"},
    "qwen4_exp_text": NGRAMS,
    "qwen4_exp": {"text_config": NGRAMS},
    "reformer": {"axial_pos_shape": [16, 32], "axial_pos_embds_dim": [32, 32], "attn_layers": ["local"] * 4},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "rope_parameters": {
            name: {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 4]} for name in LAYERS
        },
    },
    "gemma3": {"vision_config": VISION | {"patch_size": 14}, "mm_tokens_per_image": 4},
    "phi4_multimodal": {"vision_config": VISION | {"crop_size": 28}, "audio_config": AUDIO},
    "git": {"vision_config": VISION | {"patch_size": 14}},
    "got_ocr2": {
        "text_config": {**TEXT, "model_type": "qwen2", "intermediate_size": 128, "vocab_size": VOCABULARY},
        "vision_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 32},
    },
    "blt": {
        "encoder_hash_byte_group_vocab": 500,
        **{
            part: {**TEXT, "num_key_value_heads": 4, "intermediate_size": 128, "hidden_size_global": 64}
            for part in ("patcher_config", "encoder_config", "decoder_config", "global_config")
        },
    },
}


def sizes(cls: Any, extra: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a configuration class that make it tiny, its text part's included."""
    fields = {field.name: field.default for field in dataclasses.fields(cls)}
    made: dict[str, Any] = {
        name: SIZE_OF[name]
        for name, default in fields.items()
        if name in SIZE_OF and not (name in OPTIONAL and default is None)
    }
    if "kv_lora_rank" in fields:
        made |= MLA
    if "mamba_d_head" in fields and not isinstance(fields["mamba_d_head"], int):
        made["mamba_d_head"] = 32
    made |= {name: value for name, value in (("pad_token_id", PAD), ("eos_token_id", END)) if name in fields}
    if isinstance(fields.get("bos_token_id"), int):
        made["bos_token_id"] = 0
    made |= {
        name: value
        for name, value in (("initializer_range", 0.15), ("init_std", 0.15), ("is_decoder", True))
        if name in fields
    }
    for name, part in getattr(cls, "sub_configs", {}).items():
        if name in PARTS and dataclasses.is_dataclass(part) and part.__name__ != "AutoConfig":
            made[name] = sizes(part, extra.get(name, {}))
    return made | {name: value for name, value in extra.items() if not (name in made and isinstance(value, dict))}


def build(name: str) -> Any:
    """The model, random and in evaluation mode; norms, biases and the like are no longer all one or zero."""
    torch.manual_seed(0)
    cls = CONFIG_MAPPING[name]
    model = AutoModelForCausalLM.from_config(cls(**sizes(cls, EXTRA.get(name, {})))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def saved(name: str, folder: Path) -> Path:
    """The model in a folder, with the lab's tokenizer. Any error of transformers where it cannot be built or loaded."""
    build(name).save_pretrained(folder)
    for path in (*LAB.glob("tokenizer*"), LAB / "chat_template.jinja"):
        shutil.copy(path, folder)
    AutoModelForCausalLM.from_pretrained(folder)
    return folder
