/** What a Redis URL means: the deployment behind it, parsed once, never handed to a client as text. */
import { KitError } from "../errors.ts";
import { freezeTarget, type RespTarget, type Target } from "./redis-target.ts";
import { closest } from "../validate.ts";

const SCHEMES = ["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "https", "http"];
const EXAMPLE = "'rediss://user:password@host:6379'";

function invalid(source: string, message: string, fix: string): KitError {
  return new KitError("INVALID_REDIS_URL", { message: `${source} ${message}`, fix });
}

/** The token of a target whose `credentials` function gives it later. */
export const ASKED_LATER: unique symbol = Symbol("asked later");

type Token = string | undefined | typeof ASKED_LATER;

/** Reads a URL (or a comma-separated list of them) without ever quoting it, since it may hold a password. */
export function parseRedisUrl(text: string, source: string, token?: Token): Target {
  return freezeTarget(parse(text, source, token));
}

function parse(text: string, source: string, token: Token): Target {
  const trimmed = text.trim();
  if (/^["']/.test(trimmed)) {
    throw invalid(source, "begins with a quotation mark.", "Remove the quotes around the URL.");
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed)?.[1]?.toLowerCase();
  if (scheme === undefined || !SCHEMES.includes(scheme)) {
    const meant = scheme === undefined ? undefined : closest(scheme, SCHEMES);
    throw invalid(
      source,
      scheme === undefined ? "has no scheme." : `has the unknown scheme '${scheme}:'.`,
      meant ? `Did you mean '${meant}://…'?` : `Write it as ${EXAMPLE}.`,
    );
  }
  const rest = trimmed.slice(trimmed.indexOf("://") + 3);
  if (rest.includes("#") || /[/?\\].*@/.test(rest)) {
    throw invalid(
      source,
      "holds a character that a URL cannot hold as it is (one of # / ? in the credentials).",
      "Write user name and password percent-encoded: '#' as '%23', '/' as '%2F', '?' as '%3F'.",
    );
  }
  if (scheme === "https" || scheme === "http") return parseRest(trimmed, source, token);
  if (scheme === "unix") return parseUnix(trimmed, source, token);
  const tls = scheme.startsWith("rediss");
  return scheme.endsWith("+sentinel")
    ? parseSentinel(trimmed, tls, source, token)
    : parseServers(trimmed, tls, source, token);
}

function parseRest(text: string, source: string, token: Token): Target {
  const url = toUrl(text, source);
  if (url.username !== "" || url.password !== "") {
    throw invalid(source, "holds credentials.", "Pass the token in its own variable or option.");
  }
  if (url.search !== "") {
    throw invalid(source, "has parameters.", "Pass the token in its own variable or option.");
  }
  if (token === undefined || token === "") {
    throw invalid(
      source,
      "is an Upstash REST address, but there is no token.",
      "Set UPSTASH_REDIS_REST_TOKEN (or REDIS_TOKEN beside REDIS_URL).",
    );
  }
  return {
    kind: "rest",
    url: url.href.replace(/\/+$/, ""),
    host: hostOf(url),
    token: token === ASKED_LATER ? undefined : token,
  };
}

function parseUnix(text: string, source: string, token: Token): Target {
  const url = toUrl(text, source);
  if (url.hostname !== "" || url.pathname.length < 2) {
    throw invalid(
      source,
      "names no socket file.",
      "Write three slashes: 'unix:///run/redis.sock'.",
    );
  }
  const path = decode(url.pathname, source);
  return { kind: "unix", path, ...respOf(url, false, source, token, "") };
}

function parseServers(text: string, tls: boolean, source: string, token: Token): Target {
  const [first, ...others] = text.split(",").map((part) => part.trim());
  const url = toUrl(first!, source);
  const resp = respOf(url, tls, source, token, url.pathname);
  const head = { host: hostOf(url), port: portOf(url) };
  requireHost(head.host, source);
  if (others.length === 0) return { kind: "standalone", ...head, ...resp };
  if (resp.db !== 0) {
    throw invalid(
      source,
      "selects a database on a Cluster.",
      "A Cluster has database 0 only: end the URL at the port.",
    );
  }
  const scheme = tls ? "rediss" : "redis";
  const nodes = others.filter(Boolean).map((part) => {
    const node = toUrl(part.includes("://") ? part : `${scheme}://${part}`, source);
    if (node.protocol !== `${scheme}:`) {
      throw invalid(source, "mixes schemes in one list.", `Write ${scheme}:// for every node.`);
    }
    if (!part.includes("://") && part.includes("@")) {
      throw invalid(source, "has a comma inside its credentials.", "Write the comma as '%2C'.");
    }
    if (node.username + node.password + node.search !== "" || node.pathname.length > 1) {
      throw invalid(
        source,
        "has credentials, a path or parameters on a node after the first.",
        "Write them on the first URL only; they hold for all nodes.",
      );
    }
    const endpoint = { host: hostOf(node), port: portOf(node) };
    requireHost(endpoint.host, source);
    return endpoint;
  });
  return { kind: "cluster", nodes: [head, ...nodes], ...resp };
}

function parseSentinel(text: string, tls: boolean, source: string, token: Token): Target {
  const [, authority = "", rest = ""] = /^[^:]+:\/\/([^/?]*)(.*)$/.exec(text) ?? [];
  const at = authority.lastIndexOf("@");
  const hosts = authority
    .slice(at + 1)
    .split(",")
    .filter(Boolean);
  const url = toUrl(`redis://${authority.slice(0, at + 1)}${hosts[0] ?? ""}${rest}`, source);
  const [master = "", db = ""] = url.pathname.slice(1).split("/");
  if (master === "") {
    throw invalid(
      source,
      "does not name the Sentinel's master.",
      "Write its name as the path: 'redis+sentinel://host:26379/mymaster'.",
    );
  }
  requireHost(hosts[0] ?? "", source);
  const sentinels = hosts.map((part) => {
    const sentinel = toUrl(`redis://${part}`, source);
    requireHost(hostOf(sentinel), source);
    return { host: hostOf(sentinel), port: portOf(sentinel, 26_379) };
  });
  const resp = respOf(url, tls, source, token, `/${db}`);
  return { kind: "sentinel", sentinels, master: decode(master, source), ...resp };
}

function toUrl(text: string, source: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalid(
      source,
      "cannot be parsed as a URL.",
      `Write it as ${EXAMPLE}, with special characters of the password percent-encoded.`,
    );
  }
}

/** IPv6 without its brackets, lower case, as sockets and certificates want it. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
}

function portOf(url: URL, standard = 6379): number {
  return url.port === "" ? standard : Number(url.port);
}

function requireHost(host: string, source: string): void {
  if (host === "") throw invalid(source, "names no host.", `Write it as ${EXAMPLE}.`);
}

function respOf(url: URL, tls: boolean, source: string, token: Token, path: string): RespTarget {
  const query = Object.fromEntries(url.searchParams);
  for (const name of Object.keys(query)) {
    if (name === "db" || name === "family") continue;
    throw invalid(
      source,
      "has a parameter that would be ignored.",
      "Only ?db= and ?family= are read from a URL; pass TLS settings as options or REDIS_CA, REDIS_CERT, REDIS_KEY, REDIS_SERVERNAME.",
    );
  }
  const db = path.replace(/^\//, "") || (query["db"] ?? "0");
  const family = query["family"] ?? "0";
  if (!/^\d{1,4}$/.test(db)) {
    throw invalid(
      source,
      "selects a database that is no number.",
      "End the URL with a number: '/0'.",
    );
  }
  if (!/^[046]$/.test(family)) {
    throw invalid(source, "has a wrong ?family=.", "Write 4, 6 or 0.");
  }
  return {
    username: decode(url.username, source) || undefined,
    password:
      token === ASKED_LATER ? undefined : decode(url.password, source) || token || undefined,
    db: Number(db),
    tls,
    family: Number(family) as 0 | 4 | 6,
  };
}

function decode(text: string, source: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(source, "has a stray %.", "Write a literal % as '%25'.");
  }
}
