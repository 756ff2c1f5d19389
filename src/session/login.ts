/** `login()` and `logout()`: the two moments at which a user's one session changes hands. */
import type { IncomingMessage } from "node:http";
import { KitError } from "../errors.ts";
import { checkOptions, parseNames } from "../validate.ts";
import { checkSendable } from "./sendable.ts";
import { inTurn, requireState } from "./state.ts";
import { parseUserId, type UserId } from "../user-id.ts";

/** Options of {@link login}. */
export interface LoginOptions {
  /** Data of the anonymous session that goes along, by top-level key. Default: none. */
  keep?: readonly string[];
  /** Accepts a login that another site's page sent. Default: false. */
  allowCrossSite?: boolean;
}

/** Fetch Metadata: browsers say so when another site's page made the request (login CSRF). */
function checkSameSite(request: IncomingMessage, options: LoginOptions): void {
  if (options.allowCrossSite === true || request.headers["sec-fetch-site"] !== "cross-site") return;
  throw new KitError("CROSS_SITE_LOGIN", {
    message: "The login was sent by a page of another site.",
    fix: "Send it from your own pages; if other sites are meant to log users in, pass { allowCrossSite: true }.",
    status: 403,
  });
}

/**
 * Signs the request in as a user: gives it a new session id, and ends the user's other session.
 *
 * When it resolves, the new session is stored and is the user's only valid one; its cookie leaves
 * with the response. When it rejects, nobody was signed in.
 *
 * @param request a request that went through `session()`
 * @param userId a non-empty string, a finite number, a bigint, or an object with a `toString` of its own
 * @throws KitError `SESSION_NOT_MOUNTED`, `INVALID_USER_ID`, `INVALID_OPTION`, `UNKNOWN_OPTION`,
 * `COOKIE_NOT_SENDABLE`, `SIGN_IN_TOO_LATE`, `CROSS_SITE_LOGIN` (403), `SESSION_LIMIT` (409),
 * `GUARD_UNREACHABLE` and `SESSION_CONFLICT` (503)
 * @example
 * ```ts
 * import express from 'express'
 * import { login, session } from 'express-redis-kit'
 *
 * const app = express()
 * app.use(session(), express.json())
 * app.post('/login', async (req, res) => {
 *   await login(req, '123', { keep: ['cart'] })
 *   res.json({ ok: true })
 * })
 * ```
 */
export async function login(
  request: IncomingMessage,
  userId: UserId,
  options: LoginOptions = {},
): Promise<void> {
  const state = requireState(request, "login()");
  checkOptions("login()", options, ["keep", "allowCrossSite"]);
  const user = parseUserId(userId);
  const keep = parseNames("keep", options.keep ?? []);
  checkSameSite(request, options);
  checkSendable(request, state.plan);
  await inTurn(state, () => state.store.signIn(request, user, keep));
}

/**
 * Signs the request out: destroys its session, takes it out of the user's Set, clears the cookie.
 * The request goes on with an empty, anonymous session.
 *
 * @throws KitError `SESSION_NOT_MOUNTED`, and what the connection throws (503)
 * @example
 * ```ts
 * import express from 'express'
 * import { logout, session } from 'express-redis-kit'
 *
 * const app = express()
 * app.use(session())
 * app.post('/logout', async (req, res) => {
 *   await logout(req)
 *   res.sendStatus(204)
 * })
 * ```
 */
export async function logout(request: IncomingMessage): Promise<void> {
  const state = requireState(request, "logout()");
  await inTurn(state, async () => {
    await state.store.signOut(request);
    if (state.cookieId !== undefined) state.isCookieStale = true;
  });
}
