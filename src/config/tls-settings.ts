/** Certificates, keys and names for TLS, as options or environment give them. */
import { readFileSync } from "node:fs";
import { KitError } from "../errors.ts";
import type { RedisOptions } from "./redis-options.ts";
import type { ClientTarget, Target } from "./redis-target.ts";

/** TLS settings as given: PEM texts, a server name, and the two that weaken verification. */
export interface TlsSettings {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean | undefined;
  readonly checkServerIdentity: unknown;
}

/**
 * Gathers the settings of one target.
 *
 * @param variable reads an environment variable
 * @throws KitError `INVALID_ENVIRONMENT`, `INVALID_REDIS_URL`
 */
export function readTlsSettings(
  given: RedisOptions,
  variable: (name: string) => string | undefined,
  target: Target,
): TlsSettings {
  if (target.kind === "client") return settingsOfClient(target);
  const fromEnv = (name: string) => (target.kind === "memory" ? undefined : variable(name));
  const settings: TlsSettings = Object.freeze({
    ca: pem("REDIS_CA", given.ca ?? fromEnv("REDIS_CA")),
    cert: pem("REDIS_CERT", given.cert ?? fromEnv("REDIS_CERT")),
    key: pem("REDIS_KEY", given.key ?? fromEnv("REDIS_KEY")),
    servername: given.servername ?? fromEnv("REDIS_SERVERNAME"),
    rejectUnauthorized: given.rejectUnauthorized,
    checkServerIdentity: given.checkServerIdentity,
  });
  if ((settings.cert === undefined) !== (settings.key === undefined)) {
    throw new KitError("INVALID_ENVIRONMENT", {
      message: "A client certificate needs both its certificate and its key.",
      fix: "Set REDIS_CERT and REDIS_KEY together.",
    });
  }
  const wanted = settings.ca ?? settings.cert ?? settings.servername;
  if (wanted !== undefined && "tls" in target && !target.tls) {
    throw new KitError("INVALID_REDIS_URL", {
      message:
        "TLS settings are given (REDIS_CA, REDIS_CERT or REDIS_SERVERNAME), but the URL asks for no TLS.",
      fix:
        target.kind === "unix"
          ? "Remove them: a unix socket needs no TLS."
          : "Write rediss:// instead of redis://.",
    });
  }
  return settings;
}

/** A client of the application's brings certificates and keys of its own. */
function settingsOfClient({ weakness }: ClientTarget): TlsSettings {
  return Object.freeze({
    ca: undefined,
    cert: undefined,
    key: undefined,
    servername: undefined,
    rejectUnauthorized: weakness.rejectUnauthorized,
    checkServerIdentity: weakness.checkServerIdentity,
  });
}

/** PEM text as it is (with `\n` written out, as some dashboards store it), else the file of that name. */
function pem(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value.includes("-----BEGIN")) return value.replaceAll("\\n", "\n");
  try {
    const text = readFileSync(value, "utf8");
    if (text.includes("-----BEGIN")) return text;
  } catch {
    // Without its cause, which quotes the "path": that may be a key that lost its first line.
    throw new KitError("INVALID_ENVIRONMENT", {
      message: `${name} is neither PEM text nor the path of a readable file.`,
      fix: `Set ${name} to the PEM text itself ("-----BEGIN …") or to a file's path.`,
    });
  }
  throw new KitError("INVALID_ENVIRONMENT", {
    message: `The file that ${name} names holds no PEM text.`,
    fix: 'Convert it to PEM ("-----BEGIN …").',
  });
}
