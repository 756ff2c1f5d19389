/** Who may share a stored response: a hit skips the handler, and with it the handler's own checks. */
import type { Request } from "express";
import { hasSessionFromCookie, type KnownRequest } from "../request.ts";
import type { CachePlan } from "./options.ts";

/** Part of the variant, or the reason to leave the cache alone. */
export type Sharing = { readonly variant: string } | { readonly bypass: string };

/** Names of the cookies that a request carries (RFC 6265, section 4.2.1). */
function cookieNames(request: KnownRequest): string[] {
  const header = request.headers.cookie;
  if (header === undefined) return [];
  return header.split(";").map((pair) => pair.split("=", 1)[0]!.trim());
}

/** What makes a request personal, if anything does. */
function personal(request: KnownRequest, { ignoreCookies }: CachePlan): string | undefined {
  if (request.headers.authorization !== undefined) return "authorization";
  if (request.headers["x-api-key"] !== undefined) return "api-key";
  if (request.user !== undefined && request.user !== null) return "user";
  if (hasSessionFromCookie(request)) return "session";
  if (cookieNames(request).some((name) => !ignoreCookies.includes(name))) return "cookie";
  return undefined;
}

function userOf(request: KnownRequest): string | undefined {
  const { user } = request;
  const id: unknown =
    typeof user === "object" && user !== null
      ? ((user as { id?: unknown }).id ?? (user as { _id?: unknown })._id)
      : (user ?? (request as { session?: { userId?: unknown } }).session?.userId);
  if (typeof id === "string" || typeof id === "number" || typeof id === "bigint") return String(id);
  return typeof id === "object" && id !== null && id.toString !== Object.prototype.toString
    ? String(id as { toString(): string })
    : undefined;
}

/** Whether, and with whom, this request shares. */
export function sharingOf(request: KnownRequest, plan: CachePlan): Sharing {
  if (plan.scope === "public") return { variant: "public" };
  if (typeof plan.scope === "function") {
    const group: unknown = plan.scope(request as unknown as Request);
    return typeof group === "string" && group !== ""
      ? { variant: `scope:${group}` }
      : { bypass: "no-scope" };
  }
  const user = plan.scope === "user" ? userOf(request) : undefined;
  if (user !== undefined) return { variant: `user:${user}` };
  const reason = personal(request, plan);
  return reason === undefined ? { variant: "anonymous" } : { bypass: reason };
}
