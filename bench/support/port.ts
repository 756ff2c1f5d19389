/** The kit's connection, opened as a kit opens it in production, and silent. */
import type { KitOptions } from "../../src/config.ts";
import { resolveConfig } from "../../src/config.ts";
import { openConnection } from "../../src/connection/open.ts";
import type { Connection } from "../../src/connection/port.ts";

function silent(): void {}

/** Opens a connection; failures are told by its commands alone. */
export function openPort(options: KitOptions): Connection {
  const logger = { info: silent, warn: silent, error: silent };
  const config = resolveConfig({ logger, ...options }, { NODE_ENV: "production" });
  return openConnection(config, { connection: silent, error: silent, fallback: silent });
}
