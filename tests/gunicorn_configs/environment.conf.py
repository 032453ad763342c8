"""Everything from variables of the container, with helpers of its own."""

import os

host = os.getenv("SHOP_HOST", "127.0.0.1")
port = os.getenv("SHOP_PORT", "0")
_per_core = float(os.getenv("SHOP_WORKERS_PER_CORE", "1"))

bind = f"{host}:{port}"
workers = max(int(_per_core * 2), 2)
worker_tmp_dir = "/dev/shm"
graceful_timeout = int(os.getenv("SHOP_GRACEFUL_TIMEOUT", "20"))
timeout = int(os.getenv("SHOP_TIMEOUT", "0"))
raw_env = ["SHOP_MODE=production", "SHOP_GREETING=two words"]
