/** Which account a login attempt is for. */
import type { Request } from "express";

/**
 * One spelling for all the ways to write one account: compatibility forms folded (NFKC), no space
 * around it, lower case. Without it, `Ada` and `ａｄａ` would each get a quota of their own.
 */
export function normalizeAccount(account: unknown): string | undefined {
  if (typeof account !== "string" && typeof account !== "number") return undefined;
  return String(account).normalize("NFKC").trim().toLowerCase() || undefined;
}

/** `body.username ?? body.email`, where a parser has left a body. */
export function accountOfBody(request: Request): string | undefined {
  const body: unknown = request.body;
  if (typeof body !== "object" || body === null) return undefined;
  const { username, email } = body as { username?: unknown; email?: unknown };
  return normalizeAccount(username ?? email);
}
