/** What the middlewares know of a request, with Express or without it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ipKeyGenerator } from "express-rate-limit";
import proxyAddr from "proxy-addr";
import type { Trust } from "./config/trust-proxy.ts";

/** A middleware for Express, connect and node:http alike. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** The fields that Express, body parsers and login code add to a request; none of them is relied on. */
export interface KnownRequest extends IncomingMessage {
  originalUrl?: string | undefined;
  baseUrl?: string | undefined;
  params?: Record<string, string | string[] | undefined> | undefined;
  query?: unknown;
  route?:
    | { path?: string | RegExp | (string | RegExp)[]; stack?: readonly { handle?: unknown }[] }
    | undefined;
  body?: unknown;
  ip?: string | undefined;
  secure?: boolean | undefined;
  hostname?: string | undefined;
  host?: string | undefined;
  protocol?: string | undefined;
  app?: { get?(setting: string): unknown } | undefined;
  user?: unknown;
}

/** The client's address as Express sees it; without Express, by the kit's `trustProxy`. */
export function clientAddress(request: KnownRequest, trust: Trust): string {
  if (typeof request.ip === "string") return request.ip;
  // Nobody knows whom a closed socket belonged to, nor who is behind a unix socket without a proxy.
  const address = proxyAddr(request, trustOf(request, trust)) as string | undefined;
  return address ?? "unknown";
}

/**
 * An address as a limiter should count it: IPv6 cut to a prefix (by default its /56, the least that a
 * provider hands to one customer, RFC 6177), IPv4-mapped IPv6 as IPv4.
 */
export function addressIdentity(address: string, subnet?: number | false): string {
  return ipKeyGenerator(withoutPort(address).replace(/%.*$/, ""), subnet);
}

/** Some proxies write the client's port into X-Forwarded-For; with it, every connection would count apart. */
function withoutPort(address: string): string {
  const [, ipv6, ipv4] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(address) ?? [];
  return ipv6 ?? ipv4 ?? address;
}

/** Express's own `trust proxy` where there is an Express app, else the kit's `trustProxy`. */
export function trustOf(request: KnownRequest, trust: Trust): Trust {
  const compiled = request.app?.get?.("trust proxy fn");
  return typeof compiled === "function" ? (compiled as Trust) : trust;
}

/** The value of an X-Forwarded header, where the nearest hop is a trusted proxy and sent one. */
function forwarded(request: KnownRequest, trust: Trust, name: string): string | undefined {
  // On a unix socket there is no address, and Express asks about `undefined` as well.
  const remote = request.socket?.remoteAddress as string;
  if (!trustOf(request, trust)(remote, 0)) return undefined;
  const value = request.headers[name];
  return typeof value === "string" ? value.split(",")[0]!.trim() : undefined;
}

/** The scheme that the client used, as Express reads it: as it is written, and a trusted proxy's word first. */
function schemeOf(request: KnownRequest, trust: Trust): string {
  const isEncrypted = (request.socket as { encrypted?: boolean } | undefined)?.encrypted === true;
  return forwarded(request, trust, "x-forwarded-proto") || (isEncrypted ? "https" : "http");
}

/** Whether the client speaks TLS to us, or to a proxy that we trust. */
export function isSecure(request: KnownRequest, trust: Trust): boolean {
  return schemeOf(request, trust) === "https";
}

/** Scheme and host that the client asked for, as far as they are believed; as written, since a handler sees them so. */
export function requestOrigin(request: KnownRequest, trust: Trust): string {
  // HTTP/2 names it in a pseudo-field, and may have both: a handler can read either.
  const named = [request.headers[":authority"], request.headers.host].filter(Boolean).join(" ");
  const host = forwarded(request, trust, "x-forwarded-host") || named;
  return `${schemeOf(request, trust)}://${host}`;
}

/** The URL as it arrived, whatever routers have cut from it. */
export function originalUrl(request: KnownRequest): string {
  return request.originalUrl ?? request.url ?? "/";
}

/** Whether nothing more will come of a response; HTTP/2's say so by their stream alone. */
export function isClosed(response: ServerResponse): boolean {
  const { closed, stream } = response as { closed?: boolean; stream?: { closed: boolean } };
  return closed ?? stream?.closed === true;
}

/** Where `session()` keeps what it knows of a request; one property, for each more is slow on Express's objects. */
export const SESSION_STATE: unique symbol = Symbol.for("express-redis-kit.session") as never;

/** Whether this request's session was found through its cookie. */
export function hasSessionFromCookie(request: IncomingMessage): boolean {
  const known = request as { [SESSION_STATE]?: { isFromCookie?: boolean } };
  return known[SESSION_STATE]?.isFromCookie === true;
}
