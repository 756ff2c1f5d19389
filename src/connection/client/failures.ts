/** What can go wrong over the application's client: its errors, read without loading its package. */
import type { ClientTarget } from "../../config/redis-target.ts";
import { KitError } from "../../errors.ts";
import type { Command } from "../channel.ts";
import { refused, withoutArguments } from "../refusal.ts";
import type { Obstacle } from "./wire.ts";

const AWAY = { status: 503, retryAfter: 1 } as const;

/** After these words a client has certainly written nothing. */
const NOT_SENT =
  /Stream isn't writeable|in subscriber mode|in monitoring mode|Cluster isn't ready|client is (closed|offline)|queue is full/;

/** Codes of system and of fetch that say that no connection was made. */
const NO_CONNECTION =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;

/** Redis's words begin with a code in capitals. */
const CODE = /^[A-Z][A-Z0-9]+\b/;

/** A client's error without what hangs on it, such as the command with its arguments. */
function bare(error: unknown): Error {
  const { message, code, cause } = error as NodeJS.ErrnoException & { cause?: { code?: unknown } };
  const known = code ?? cause?.code;
  const copy = new Error(typeof message === "string" ? message.slice(0, 200) : "unknown");
  return typeof known === "string" ? Object.assign(copy, { code: known }) : copy;
}

/** `error.name`, and the names of its classes: node-redis sets no `name`. */
function namesOf(error: unknown): string[] {
  const names: string[] = [];
  if (!(error instanceof Error)) return names;
  for (
    let at: object | null = error;
    at !== null;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    names.push(String((at.constructor as { name?: unknown }).name));
  }
  return [error.name, ...names];
}

/** The words of the server in a client's error; undefined where they are the client's own. */
function serverWords(error: unknown): string | undefined {
  const { message, code } = error as NodeJS.ErrnoException;
  const names = namesOf(error);
  if (names.includes("UpstashJSONParseError")) return undefined;
  if (names.includes("UpstashError")) {
    // @upstash/redis 1.39.0, http.ts: the server's words, then the command with its arguments.
    const words = message.split(", command was: ")[0]!;
    return CODE.test(words) ? words : undefined;
  }
  // ioredis's class, then node-redis's, then those of a bundle that renamed classes.
  if (names.includes("ReplyError") || names.includes("ErrorReply")) return message;
  return code === undefined && CODE.test(message) ? message : undefined;
}

/** What the client is called in errors. */
export function nameOf({ library, address }: ClientTarget): string {
  return `the ${library} client for ${address}`;
}

function tokenRejected(target: ClientTarget, words: string): KitError {
  return new KitError("REDIS_AUTH_FAILED", {
    message: `${target.address} rejected the token or password of the client given to the kit (${words}).`,
    fix: "Give that client the right one; the kit has none of its own.",
    ...AWAY,
    outcome: "notSent",
  });
}

/** ioredis's option `commandTimeout` was shorter than the deadline. */
function timedOutByClient(what: string): KitError {
  return new KitError("REDIS_TIMEOUT", {
    message: `${what} got no answer within the client's own commandTimeout.`,
    fix: "Look for a slow or frozen Redis, or raise that option of the client if the network is that far.",
    ...AWAY,
    outcome: "maybeExecuted",
  });
}

/**
 * Explains what a client rejected with.
 *
 * @param isFirst whether the error is that of the first attempt, so that none before it can have run
 */
export function explainFailure(
  error: unknown,
  command: Command,
  what: string,
  target: ClientTarget,
  isFirst: boolean,
): KitError {
  if (error instanceof KitError) return error;
  const said = serverWords(error);
  if (said !== undefined) {
    const words = withoutArguments(said, command.slice(1));
    return /^(WRONGPASS|NOAUTH|UNAUTHORIZED)\b/.test(words)
      ? tokenRejected(target, words)
      : refused(what, words);
  }
  if ((error as Error).message === "Command timed out") return timedOutByClient(what);
  const cause = withoutCommand(error);
  const { code = "" } = cause as NodeJS.ErrnoException;
  const isUnsent = NOT_SENT.test(cause.message) || (isFirst && NO_CONNECTION.test(code));
  const isSubscriber = cause.message.includes("in subscriber mode");
  return new KitError("REDIS_UNAVAILABLE", {
    message: isUnsent
      ? `${what} was not sent: ${nameOf(target)} refused it (${code || cause.message}).`
      : `The connection of ${nameOf(target)} was lost during ${what} (${code || cause.message}).`,
    fix: isSubscriber
      ? "Give the kit a client that subscribes to nothing, such as client.duplicate()."
      : "The client reconnects by its own rules, and tells the reason by its event `error`; see that the server runs.",
    ...AWAY,
    cause,
    outcome: isUnsent ? "notSent" : "maybeExecuted",
  });
}

/** @upstash/redis puts what it could not read, or the command, into its errors. */
function withoutCommand(error: unknown): Error {
  const names = namesOf(error);
  if (names.includes("UpstashJSONParseError")) return new Error("the answer was no JSON");
  if (names.includes("UpstashError")) return new Error("the answer was no reply of Redis");
  return bare(error);
}

/** Nothing is connected, and something may be soon. */
export function notConnected(target: ClientTarget, status: string): Obstacle {
  return {
    mayPass: true,
    error: new KitError("REDIS_UNAVAILABLE", {
      message: `${capital(nameOf(target))} is not connected (${status}).`,
      fix: "The client connects by its own rules, and tells the reason by its event `error`; see that the server runs.",
      ...AWAY,
      outcome: "notSent",
    }),
  };
}

/** The application never connected its client, or has closed it. */
export function closedByApplication(target: ClientTarget): Obstacle {
  return {
    mayPass: false,
    error: new KitError("REDIS_UNAVAILABLE", {
      message: `${capital(nameOf(target))} is closed: it was never connected, or was closed since.`,
      fix: "Call await client.connect() before the first request, and close the client only after kit.close(): the kit does neither.",
      ...AWAY,
      outcome: "notSent",
    }),
  };
}

/** The client is connected, and does not answer. */
export function noAnswer(target: ClientTarget, ms: number): KitError {
  return new KitError("REDIS_UNAVAILABLE", {
    message: `${capital(nameOf(target))} gave no answer within ${Math.round(ms)} ms.`,
    fix: "See that the server runs and answers; the kit asks again by itself.",
    ...AWAY,
    outcome: "notSent",
  });
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
