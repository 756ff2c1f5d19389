/** From what a socket or a server said to what it means: one KitError with the fix. */
import { KitError } from "../errors.ts";

/** What was known of the attempt that failed. */
export interface Attempt {
  /** Deployment and address, without credentials. */
  readonly target: string;
  readonly tls: boolean;
  readonly servername: string | undefined;
  /** Where user name and password come from, if not from the URL. */
  readonly credentialsOf?: "function" | "sentinel" | undefined;
}

/** Node's codes for a certificate that is not trusted, by what they have in common. */
const CERTIFICATE =
  /CERT|UNABLE_TO_(GET|VERIFY)|SELF_SIGNED|ALTNAME|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH/;
const NOT_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|SSL_UNSUPPORTED_PROTOCOL|EPROTO/;
const AUTH = /^(WRONGPASS|NOAUTH|NOPERM)|invalid password|AUTH failed/i;

/** To a request, all of these are one: Redis is away, and nothing was sent. */
const AWAY = { status: 503, retryAfter: 1, outcome: "notSent" } as const;

/**
 * When a connection failed: while its socket was opened, between the first byte and the first
 * `ready`, or after a server had been ready once, which then is away rather than misconfigured.
 */
export type Phase = "opening" | "greeting" | "established";

const CUT_OFF = /ECONNRESET|EPIPE|Connection is closed/;

/** A failure to connect, explained. */
export function diagnose(error: unknown, attempt: Attempt, phase: Phase = "opening"): KitError {
  if (error instanceof KitError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (AUTH.test(message)) return authFailed(message, attempt, error);
  if (/ALERT_(CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|HANDSHAKE_FAILURE)/.test(code)) {
    return clientCertificateRejected(code, attempt, error);
  }
  if (attempt.tls && NOT_TLS.test(`${code} ${message}`)) return tlsNotOffered(attempt, error);
  if (attempt.tls && CERTIFICATE.test(code)) return certificateRejected(code, attempt, error);
  if (phase === "greeting" && CUT_OFF.test(`${code} ${message}`)) {
    // In TLS 1.3 a server judges the client's certificate after the client's side is done.
    return attempt.tls
      ? clientCertificateRejected(code || "closed", attempt, error)
      : tlsExpected(attempt, error);
  }
  return unavailable(attempt, code || message, error);
}

/** A live connection could not authenticate anew; it stays what it was. */
export function diagnoseRenewal(error: KitError, attempt: Attempt): KitError {
  const words = wordsOf(error);
  return AUTH.test(words) ? authFailed(words, attempt, error.cause) : error;
}

function tlsExpected(attempt: Attempt, cause: unknown): KitError {
  return new KitError("TLS_EXPECTED", {
    message: `${attempt.target} closed the connection before it answered anything, as a server does that expects TLS.`,
    fix: "Write rediss:// instead of redis://, if the port speaks TLS.",
    cause,
    ...AWAY,
  });
}

const RIGHT_CREDENTIALS = {
  url: "Put the right ones into REDIS_URL (rediss://user:password@host:port, special characters percent-encoded), REDIS_TOKEN or UPSTASH_REDIS_REST_TOKEN.",
  function:
    "Let the `credentials` function answer what the server knows; it is asked again with every attempt.",
  sentinel:
    "Pass the right ones as redis: { sentinelUsername, sentinelPassword }; those in the URL are for the servers behind the Sentinels.",
};

function authFailed(message: string, attempt: Attempt, cause: unknown): KitError {
  const missing = message.startsWith("NOAUTH");
  const denied = message.startsWith("NOPERM");
  return new KitError("REDIS_AUTH_FAILED", {
    message: denied
      ? `${attempt.target} denies this user what the kit needs.`
      : `${attempt.target} ${missing ? "asks for a password, and none was given" : "rejected the user name or the password"}.`,
    fix: denied
      ? "Give the ACL user the commands and key prefixes that the README lists."
      : RIGHT_CREDENTIALS[attempt.credentialsOf ?? "url"],
    cause: bare(cause),
    ...AWAY,
  });
}

function certificateRejected(code: string, attempt: Attempt, cause: unknown): KitError {
  const wrongName = code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH";
  return new KitError("TLS_CERTIFICATE_REJECTED", {
    message: wrongName
      ? `The certificate of ${attempt.target} was made for another name than '${attempt.servername}' (${code}).`
      : `The certificate of ${attempt.target} is not signed by a trusted authority (${code}).`,
    fix: wrongName
      ? "Connect by the name that the certificate carries, or set REDIS_SERVERNAME to it."
      : "Set REDIS_CA to the PEM text or file of the authority that signed it.",
    cause,
    ...AWAY,
  });
}

function clientCertificateRejected(code: string, attempt: Attempt, cause: unknown): KitError {
  return new KitError("TLS_CERTIFICATE_REJECTED", {
    message: `${attempt.target} asks for a client certificate, and got none that it accepts (${code}).`,
    fix: "Set REDIS_CERT and REDIS_KEY to a certificate that the server's authority signed.",
    cause,
    ...AWAY,
  });
}

/** TLS was spoken to a port that does not answer in TLS. */
export function tlsNotOffered(attempt: Attempt, cause?: unknown): KitError {
  return new KitError("TLS_NOT_OFFERED", {
    message: `${attempt.target} accepts connections, but does not answer in TLS: the port most likely speaks plaintext.`,
    fix: "Use the server's TLS port; only if it has none and the network is yours, write redis:// instead of rediss://.",
    cause,
    ...AWAY,
  });
}

/** Nothing there, or nothing that answers. */
export function unavailable(attempt: Attempt, why: string, cause?: unknown): KitError {
  return new KitError("REDIS_UNAVAILABLE", {
    message: `Redis at ${attempt.target} cannot be reached (${why}).`,
    fix: "Check that the server runs, and the host, port and network between; the kit reconnects by itself.",
    cause: bare(cause),
    ...AWAY,
  });
}

/** The server accepts commands, and does not answer them. */
export function noAnswer(attempt: Attempt, ms: number): KitError {
  return unavailable(attempt, `it gave no answer within ${Math.round(ms)} ms`);
}

/** Whether ioredis knows for certain that a command never left. */
export function neverLeft({ message }: Error): boolean {
  return /Stream isn't writeable|Connection is already/.test(message);
}

/**
 * The connection went while a command was on its way.
 *
 * @param isListening messages were listened to on it
 */
export function connectionLost(
  attempt: Attempt,
  what: string,
  error: Error,
  isListening: boolean,
): KitError {
  const fix = "The kit reconnects by itself; what may have run is not sent again.";
  return new KitError("REDIS_UNAVAILABLE", {
    message: `The connection to ${attempt.target} was lost during ${what}.`,
    fix: isListening
      ? `${fix} If that recurs under load, raise the server's client-output-buffer-limit for pubsub, which counts for a connection that listens.`
      : fix,
    status: 503,
    retryAfter: 1,
    outcome: neverLeft(error) ? "notSent" : "maybeExecuted",
  });
}

/** A command came after `close()`. */
export function kitClosed(): KitError {
  return new KitError("KIT_CLOSED", {
    message: "The kit's connection was closed.",
    fix: "Call kit.close() only when the server has stopped.",
    status: 503,
    outcome: "notSent",
  });
}

/** The platform's function for work after a response refused it. */
export function waitUntilFailed(cause: unknown): KitError {
  return new KitError("WAIT_UNTIL_FAILED", {
    message:
      "`waitUntil` threw, so the platform may pause this function before its connection is closed.",
    fix: "Pass the platform's own function, and use the kit only while a request is handled.",
    cause,
  });
}

/** The server answered a command with an error. */
export function commandFailed(name: string, error: unknown): KitError {
  const { message } = error as Error;
  return new KitError("REDIS_COMMAND_FAILED", {
    message: `Redis refused ${name}: ${message.slice(0, 200)}.`,
    fix: message.startsWith("NOPERM")
      ? "Give the ACL user the commands and key prefixes that the README lists."
      : "Read the server's own words above; `redis-cli` shows the same.",
    status: 503,
    retryAfter: 1,
    cause: bare(error),
    outcome:
      /^(NOPERM|OOM|READONLY|MISCONF|LOADING|MASTERDOWN|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|NOAUTH|NOSCRIPT)\b/.test(
        message,
      )
        ? "notSent"
        : "maybeExecuted",
  });
}

/** The server answers commands, and does not push messages. */
export function pushRefused({ target }: Attempt, why: string): KitError {
  return new KitError("REDIS_PUSH_UNAVAILABLE", {
    message: `Redis at ${target} pushes no messages to this connection (${why.slice(0, 200)}).`,
    fix: why.startsWith("NOPERM")
      ? "Give the ACL user the channels and commands that the README lists."
      : "Use Redis 6 or later, with SUBSCRIBE and HELLO; all else works without.",
  });
}

/** The words of the server that answered a command with an error; empty where it said nothing. */
export function wordsOf(error: unknown): string {
  const { code, cause } = error as Partial<KitError>;
  return code === "REDIS_COMMAND_FAILED" && cause instanceof Error ? cause.message : "";
}

/** Whether a server answered a command with an error of this code, such as `NOSCRIPT`. */
export function serverSaid(error: unknown, code: string): boolean {
  return wordsOf(error).startsWith(code);
}

/** ioredis hangs a command's arguments on its errors; session texts and keys do not belong into logs. */
function bare(error: unknown): unknown {
  if (!(error instanceof Error) || !("command" in error)) return error;
  const copy = new Error(error.message);
  copy.name = error.name;
  return copy;
}
