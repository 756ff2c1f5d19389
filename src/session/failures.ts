/** How signing in and saving fail, in words. */
import { KitError } from "../errors.ts";

export function guardUnreachable(cause?: unknown): KitError {
  return new KitError("GUARD_UNREACHABLE", {
    message:
      "The login could not be completed: the guard that ends the user's other sessions did not answer. Nobody was signed in; the user's previous session may have ended.",
    fix: "Try again once Redis answers; the event 'redis-error' tells what is wrong with it.",
    status: 503,
    retryAfter: 1,
    cause,
  });
}

/** Errors of a sign-in that say by themselves what is wrong. */
export function isOfSignIn(error: unknown): boolean {
  return error instanceof KitError && /^(GUARD|INVALID|SESSION)_/.test(error.code);
}

export function userNotFound(): KitError {
  return new KitError("INVALID_OPTION", {
    message:
      "login() set session.userId, but session()'s option `user` does not find that user there.",
    fix: "Let `user` answer session.userId where it is set, or sign in by setting what `user` reads.",
  });
}

export function signInTooLate(): KitError {
  return new KitError("SIGN_IN_TOO_LATE", {
    message:
      "A user was put into the session after the response's headers were sent, when its id can no longer be changed.",
    fix: "Set the user before the response begins, or call `await login(req, userId)`.",
  });
}

/** `whenFull: 'refuse'`. */
export function sessionLimit(concurrent: number): KitError {
  return new KitError("SESSION_LIMIT", {
    message: `The user has ${concurrent} live sessions already, and no more are allowed.`,
    fix: "Let the user end one of them: sessions.list() and sessions.end(), or whenFull: 'end-oldest'.",
    status: 409,
  });
}

/** Only under a storm of logins of one user. */
export function setContended(rounds: number): KitError {
  return new KitError("SESSION_CONFLICT", {
    message: `A login gave up: other logins of the same user came first ${rounds} times in a row.`,
    fix: "Limit logins per account: rateLimit('auth').",
    status: 503,
    retryAfter: 1,
  });
}

/** A `genid` that is not random. */
export function idTaken(): KitError {
  return new KitError("SESSION_CONFLICT", {
    message: "A new session's id is taken already.",
    fix: "Let genid answer a fresh random id on every call, or leave it out.",
  });
}

/** A mistake of the application's that shows only once its answer is to leave. */
export function heldAnswerFailed(cause: unknown): KitError {
  return new KitError("HELD_ANSWER_FAILED", {
    message: `An answer could not be given, or its session not be stored: ${String(cause)}.`,
    fix: "Correct what the message names: a session holds what JSON can hold, a header what HTTP allows.",
    cause,
  });
}

export function notSignedIn(): KitError {
  return new KitError("NOT_SIGNED_IN", {
    message: "Nobody is signed in on this request.",
    fix: "Ask for it only where a user is signed in: check req.session.userId first.",
    status: 401,
  });
}

export function sessionEnded(): KitError {
  return new KitError("SESSION_ENDED", {
    message: "The session was ended elsewhere while this request was under way.",
    fix: "Answer 401; the client has to sign in again.",
    status: 401,
  });
}
