/** Who may share a stored response: a hit skips the handler, and with it the handler's own checks. */
import type { Request } from "express";
import { idText } from "../id-text.ts";
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

/** The reasons of {@link sharingOf} that another scope would do away with. */
export const PERSONAL: ReadonlySet<string> = new Set([
  "authorization",
  "api-key",
  "user",
  "session",
  "cookie",
]);

/** What makes a request personal, if anything does. */
function personal(request: KnownRequest, { ignoreCookies }: CachePlan): string | undefined {
  if (request.headers.authorization !== undefined) return "authorization";
  if (request.headers["x-api-key"] !== undefined) return "api-key";
  if (request.user !== undefined && request.user !== null) return "user";
  if (hasSessionFromCookie(request)) return "session";
  if (cookieNames(request).some((name) => !ignoreCookies.includes(name))) return "cookie";
  return undefined;
}

/** Mongoose documents have both; other users have one or the other, or are an id themselves. */
const ID_FIELDS = ["id", "_id"] as const;

function userOf(request: KnownRequest): string | undefined {
  const { user } = request;
  if (user === undefined || user === null) {
    return idText((request as { session?: { userId?: unknown } }).session?.userId);
  }
  if (typeof user !== "object") return idText(user);
  const field = ID_FIELDS.find(
    (name) => idText((user as Record<string, unknown>)[name]) !== undefined,
  );
  return field && idText((user as Record<string, unknown>)[field]);
}

/** Whether, and with whom, this request shares. */
export function sharingOf(request: KnownRequest, plan: CachePlan): Sharing {
  if (plan.scope === "public") return { variant: "public" };
  if (typeof plan.scope === "function") {
    const group: unknown = plan.scope(request as unknown as Request);
    return typeof group === "string" && group !== ""
      ? { variant: `scope=${group}` }
      : { bypass: "no-scope" };
  }
  const user = plan.scope === "user" ? userOf(request) : undefined;
  if (user !== undefined) return { variant: `user=${user}` };
  const reason = personal(request, plan);
  return reason === undefined ? { variant: "anonymous" } : { bypass: reason };
}
