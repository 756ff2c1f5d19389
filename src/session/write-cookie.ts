/** The session's line in Set-Cookie: decided when the header leaves, by what is stored then. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { printCookie } from "./cookie/cookie.ts";
import { factsOf, type LiveSession, type SessionRequest } from "./live-session.ts";
import { isSecureRequest } from "./cookie/secure-request.ts";
import { sign } from "./cookie/signature.ts";
import type { SessionState } from "./state.ts";

/** The lines of a response's Set-Cookie. */
function setCookies(response: ServerResponse): string[] {
  return [response.getHeader("Set-Cookie") ?? []].flat().map(String);
}

/** Whether this response tells the client its session's id. */
function isIssued(session: LiveSession, id: string, { cookieId, mustReissue, plan }: SessionState) {
  const { stored, isGone, isWritten } = factsOf(session);
  // Nobody may hold the id of a session that is not there.
  if (stored === undefined || isGone) return false;
  if (cookieId !== id || mustReissue || plan.rolling) return true;
  return isWritten && session.cookie.expires !== null && session.cookie.expires !== undefined;
}

function expired(name: string, request: IncomingMessage, { plan }: SessionState): string {
  const { secure, ...attributes } = plan.cookieOf(request);
  const past = { maxAge: undefined, expires: new Date(0) };
  return printCookie(name, "", { ...attributes, secure: secure === true, ...past });
}

/** The session's line, where there is one to send; a Secure cookie needs a connection that is. */
function issue(request: SessionRequest, state: SessionState): string | undefined {
  const { session, sessionID: id } = request;
  const { plan } = state;
  if (!session || typeof id !== "string" || !isIssued(session, id, state)) return undefined;
  if (session.cookie.secure === true && !isSecureRequest(request, plan)) return undefined;
  session.touch();
  return printCookie(plan.name, sign(id, plan.secrets[0]!), session.cookie);
}

/** Whether the id in the client's cookie is of no more use, and nothing was said of another. */
function isStale({ session, sessionID }: SessionRequest, state: SessionState): boolean {
  if (state.cookieId === undefined) return false;
  if (state.isCookieStale) return true;
  return Boolean(session) && sessionID !== state.cookieId && !state.isClearedLater;
}

/** Writes the line: the session's id, or that the client's cookie is over. */
export function writeCookie(request: SessionRequest, state: SessionState): void {
  if (state.isRefused) return;
  const { plan, response } = state;
  const line = issue(request, state);
  if (line === undefined && !isStale(request, state)) return;
  const lines = setCookies(response);
  // What the application says of a cookie, to clear it for example, stays.
  const isSaid = (name: string) => lines.some((other) => other.startsWith(`${name}=`));
  const added = line === undefined ? [] : [line];
  if (line === undefined) {
    for (const name of [plan.name, plan.adoptCookie])
      if (name !== undefined && isSent(request, name) && !isSaid(name))
        added.push(expired(name, request, state));
  }
  if (added.length > 0) response.setHeader("Set-Cookie", [...lines, ...added]);
}

function isSent(request: IncomingMessage, name: string): boolean {
  const cookies = (request.headers.cookie ?? "").split(";");
  return cookies.some((cookie) => cookie.trimStart().startsWith(`${name}=`));
}
