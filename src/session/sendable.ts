/** Whether a session's cookie can be sent in answer to a request. */
import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import type { CookieOptions } from "express-session";
import { KitError } from "../errors.ts";
import { isHeaderSent } from "../held-response.ts";
import { type KnownRequest, originalUrl } from "../request.ts";
import { signInTooLate } from "./failures.ts";
import type { SessionPlan } from "./options.ts";
import { findState } from "./state.ts";
import { isSecureRequest } from "./cookie/secure-request.ts";

/** As express-session decides it. */
export function isWithinPath(request: KnownRequest, path: string | undefined): boolean {
  return pathnameOf(originalUrl(request)).startsWith(path ?? "/");
}

/** Of a request target in any form (RFC 9112, section 3.2). */
function pathnameOf(target: string): string {
  const [path = "/"] = target.split("?", 1);
  if (path.startsWith("/")) return path;
  return /^[a-z][\w+.-]*:\/\/[^/]*(\/.*)?$/i.exec(path)?.[1] ?? "/";
}

/**
 * Before a sign-in ends the user's other session: can the new one's cookie reach the client at all?
 *
 * @param own the session's own cookie, where there is one already; the application may have changed it
 * @throws KitError `COOKIE_NOT_SENDABLE`
 */
export function checkSendable(request: KnownRequest, plan: SessionPlan, own?: CookieOptions): void {
  const options = own ?? plan.cookieOf(request);
  if (!isWithinPath(request, options.path))
    throw outsideOfPath(pathnameOf(originalUrl(request)), options.path!);
  if (options.secure !== true || isSecureRequest(request, plan)) return;
  const isForwarded = request.headers["x-forwarded-proto"] !== undefined;
  throw new KitError("COOKIE_NOT_SENDABLE", {
    message: `The session cookie is Secure, but this request came over plain http, so the cookie would not be sent and the login would be lost.${isForwarded ? " A proxy says that it speaks https to the client, but is not trusted." : ""}`,
    fix: isForwarded
      ? "Trust the proxy: app.set('trust proxy', 1), or createKit({ trustProxy: 1 }) without Express."
      : "Serve the app over https; behind a TLS-terminating proxy, let it send X-Forwarded-Proto and set app.set('trust proxy', 1).",
  });
}

function outsideOfPath(pathname: string, path: string): KitError {
  return new KitError("COOKIE_NOT_SENDABLE", {
    message: `The session cookie is for paths below ${path}, and this request is for ${pathname}: there is no session here, and its cookie would not be sent.`,
    fix: "Log in below that path, or leave cookie.path out.",
  });
}

/**
 * A sign-in is for nothing if the client does not get the id. Once the header has left it does not; and
 * of an id that the header carried, a claim that fails could not be taken back.
 */
export function checkReachable(request: IncomingMessage | undefined): void {
  const state = findState(request);
  if (request === undefined || state === undefined) return;
  if (isHeaderSent(state.response)) throw signInTooLate();
  checkSendable(request, state.plan, (request as Partial<Request>).session?.cookie);
}
