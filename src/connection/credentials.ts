/** Credentials that change while the process runs: asked for on every connect, and renewed on live connections. */
import type { Credentials, CredentialsProvider, CredentialsReason } from "../config/credentials.ts";
import { KitError } from "../errors.ts";

/** One provider, as the connections use it. */
export interface CredentialSource {
  /**
   * Asks the provider.
   *
   * @throws KitError `CREDENTIALS_UNAVAILABLE`
   */
  ask(reason: CredentialsReason): Promise<Credentials>;
  /** Calls `renew` each time that live connections should authenticate anew; answers what ends that. */
  onRenewal(renew: () => void): () => void;
  /** Ends the timer. */
  stop(): void;
}

function unavailable(why: string, cause?: unknown): KitError {
  return new KitError("CREDENTIALS_UNAVAILABLE", {
    message: `The \`credentials\` function gave none: ${why}.`,
    fix: "Let it answer { username, password } (or { token } for an https: address); the kit asks again by itself.",
    status: 503,
    retryAfter: 1,
    outcome: "notSent",
    cause,
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function check(given: unknown): Credentials {
  const { username, password, token } = (given ?? {}) as Record<string, unknown>;
  if (isText(token)) return { token };
  if (!isText(password)) throw unavailable("it answered neither a password nor a token");
  return isText(username) ? { username, password } : { password };
}

/**
 * Makes a source.
 *
 * @param refresh milliseconds between renewals of live connections; undefined renews only when the
 * provider calls for it
 * @param timeout milliseconds that the provider may take
 */
export function createCredentialSource(
  provider: CredentialsProvider,
  refresh: number | undefined,
  timeout: number,
): CredentialSource {
  const renewals = new Set<() => void>();
  const reauthenticate = (): void => {
    for (const renew of renewals) renew();
  };
  const timer = refresh === undefined ? undefined : setInterval(reauthenticate, refresh).unref();
  const ask = async (reason: CredentialsReason): Promise<Credentials> => {
    let clock: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      clock = setTimeout(() => reject(unavailable(`no answer in ${timeout} ms`)), timeout);
    });
    try {
      const asked = Promise.resolve(provider({ reason, reauthenticate }));
      return check(await Promise.race([asked, late]));
    } catch (error) {
      if (error instanceof KitError) throw error;
      throw unavailable(error instanceof Error ? error.message : "it failed", error);
    } finally {
      clearTimeout(clock);
    }
  };
  return {
    ask,
    onRenewal: (renew) => {
      renewals.add(renew);
      return () => void renewals.delete(renew);
    },
    stop: () => {
      clearInterval(timer);
      renewals.clear();
    },
  };
}
