/** What can go wrong over REST, as errors with their fix. */
import { KitError } from "../../errors.ts";
import { type Attempt, diagnose, unavailable } from "../diagnosis.ts";

/** 401 and 403: judged before anything is run. */
export function tokenRejected(attempt: Attempt, why: string): KitError {
  return new KitError("REDIS_AUTH_FAILED", {
    message: `${attempt.target} rejected the token (${why}).`,
    fix: "Set UPSTASH_REDIS_REST_TOKEN to the database's REST token, from the REST API section of the Upstash console; the password of its rediss:// address is another one.",
    status: 503,
    retryAfter: 1,
    outcome: "notSent",
  });
}

/** An error of a socket or of HTTP without what hangs on it, such as the bytes that could not be parsed. */
function bare(error: unknown): Error {
  const { message, code } = error as NodeJS.ErrnoException;
  return code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
}

/** No socket could be opened. */
export function notConnected(error: unknown, attempt: Attempt): KitError {
  const cause = error instanceof KitError ? error : diagnose(bare(error), attempt);
  if (cause.code !== "TLS_NOT_OFFERED") return cause;
  return new KitError("TLS_NOT_OFFERED", {
    message: `${attempt.target} accepts connections, but does not answer in TLS: the port most likely speaks plain HTTP.`,
    fix: "Use the server's https:// address; only if it has none and the network is yours, write http://.",
    status: 503,
    retryAfter: 1,
    outcome: "notSent",
    cause: cause.cause,
  });
}

/** An alert of the server's in TLS 1.3, where it judges the client's certificate after the first bytes came. */
const HANDSHAKE_ALERT = /ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|HANDSHAKE_FAILURE)/;

/** The connection ended before the answer was there. */
export function lost(error: unknown, attempt: Attempt, isSent: boolean): KitError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (HANDSHAKE_ALERT.test(code)) return diagnose(bare(error), attempt);
  if (!isSent) return unavailable(attempt, code || message, bare(error));
  if (code.startsWith("HPE_")) return notUpstash(attempt, `no HTTP: ${code}`);
  return new KitError("REDIS_UNAVAILABLE", {
    message: `The connection to ${attempt.target} was lost before the answer came (${code || message}).`,
    fix: "The kit connects again by itself; what may have run is not sent again.",
    status: 503,
    retryAfter: 1,
    cause: bare(error),
    outcome: "maybeExecuted",
  });
}

/** Something answered, but not as Upstash does. */
export function notUpstash(
  attempt: Attempt,
  what: string,
  outcome: KitError["outcome"] = "maybeExecuted",
): KitError {
  return new KitError("REDIS_UNAVAILABLE", {
    message: `${attempt.target} does not answer as the Upstash REST API does (${what}).`,
    fix: "Set UPSTASH_REDIS_REST_URL to the https:// address in the REST API section of the Upstash console, and look for a proxy between that answers in its place.",
    status: 503,
    retryAfter: 1,
    outcome,
  });
}

/**
 * Statuses that say that the request was not passed on to a database: RFC 9110 for the first (no such
 * resource, method, length, media type: section 15.5; elsewhere: 15.4), RFC 6585, section 4 for 429.
 *
 * 503 is none of them: proxies send it also where the server behind was lost during a request. And 400 is
 * Upstash's own status for a command that failed.
 */
const NOT_RUN = new Set([301, 302, 303, 307, 308, 404, 405, 411, 413, 414, 415, 421, 429, 431]);

/** A status that is neither 200 nor about the token. */
export function badStatus(attempt: Attempt, status: number): KitError {
  const outcome = NOT_RUN.has(status) ? "notSent" : "maybeExecuted";
  if (status !== 429 && status < 500) return notUpstash(attempt, `status ${status}`, outcome);
  return new KitError("REDIS_UNAVAILABLE", {
    message: `${attempt.target} answered with status ${status}${status === 429 ? ": too many requests" : ""}.`,
    fix:
      status === 429
        ? "Look at the limits of the database's plan in the Upstash console."
        : "Look at Upstash's status page, and at proxies between; the kit tries again by itself.",
    status: 503,
    retryAfter: 1,
    outcome,
  });
}
