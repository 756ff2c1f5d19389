/** Which accounts a login attempt is for. */
import type { Request } from "express";

/**
 * One spelling for all the ways to write one account: compatibility forms folded (NFKC), no space
 * around it, lower case. Without it, `Ada` and `ａｄａ` would each get a quota of their own.
 */
function normalizeAccount(account: unknown): string | undefined {
  if (typeof account !== "string" && typeof account !== "number") return undefined;
  return String(account).normalize("NFKC").trim().toLowerCase() || undefined;
}

/** Each account once, in its one spelling; what is no text names no account. */
export function normalizeAccounts(accounts: unknown): string[] {
  const all = [accounts].flat().map(normalizeAccount);
  return [...new Set(all)].filter((account) => account !== undefined);
}

/**
 * `body.username` and `body.email`, where a parser has left a body. If both are there, both count:
 * a client that may choose which one it is counted by would vary the other.
 */
export function accountsOfBody(request: Request): string[] {
  const body: unknown = request.body;
  if (typeof body !== "object" || body === null) return [];
  const { username, email } = body as { username?: unknown; email?: unknown };
  return normalizeAccounts([username, email]);
}
