/** Who may share a stored response: a hit skips the handler, and with it the handler's own checks. */
import type { Request } from "express";
import { idText } from "../../id-text.ts";
import { hasSessionFromCookie, type KnownRequest } from "../../request.ts";
import type { CachePlan } from "../options.ts";

/** Part of the variant, or the reason to leave the cache alone. */
export type Sharing =
  | { readonly variant: string; readonly user?: string }
  | { readonly bypass: string; readonly isPersonal: boolean };

/** Names of the cookies that a request carries (RFC 6265, section 4.2.1). */
function cookieNames(request: KnownRequest): string[] {
  const header = request.headers.cookie;
  if (header === undefined) return [];
  return header.split(";").map((pair) => pair.split("=", 1)[0]!.trim());
}

/** Header fields by which applications and identity-aware proxies say who is asking. */
const IDENTITY = [
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "x-auth-token",
  "x-access-token",
  "x-forwarded-user",
  "x-forwarded-email",
  "x-remote-user",
  "x-amzn-oidc-data",
  "x-amzn-oidc-identity",
  "x-goog-iap-jwt-assertion",
  "cf-access-jwt-assertion",
];

/** What makes a request personal, if anything does. */
export function personal(request: KnownRequest, { ignoreCookies }: CachePlan): string | undefined {
  for (const name of IDENTITY) {
    if (request.headers[name] !== undefined) return name === "x-api-key" ? "api-key" : name;
  }
  if ((request.socket as { authorized?: boolean } | undefined)?.authorized === true) {
    return "client-certificate";
  }
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
  const ids = ID_FIELDS.map((name) => idText((user as Record<string, unknown>)[name]));
  // An ObjectId has an `id` of bytes; its own text names it.
  return ids.find((id) => id !== undefined) ?? idText(user);
}

const PUBLIC: Sharing = { variant: "public" };

/** With all of whom nothing says who they are. */
export const ANONYMOUS: { readonly variant: string } = { variant: "anonymous" };

/** Whether, and with whom, this request shares. */
export function sharingOf(request: KnownRequest, plan: CachePlan): Sharing {
  if (plan.scope === "public") return PUBLIC;
  if (typeof plan.scope === "function") {
    const group: unknown = plan.scope(request as unknown as Request);
    return typeof group === "string" && group !== ""
      ? { variant: `scope=${group}` }
      : { bypass: "no-scope", isPersonal: false };
  }
  const user = plan.scope === "user" ? userOf(request) : undefined;
  if (user !== undefined && user !== "") return { variant: `user=${user}`, user };
  const reason = personal(request, plan);
  return reason === undefined ? ANONYMOUS : { bypass: reason, isPersonal: true };
}
