/** What a cache gets right, seen from outside, before it is measured: speed is compared among those that are correct. */
import type { ChildProcess } from "node:child_process";
import { ask } from "../support/processes.ts";
import type { RedisServer } from "../support/redis-server.ts";
import { type Answer, get, type RequestOptions } from "./request.ts";
import { bodyOf, IMAGE, type Workload, WORKLOADS } from "./routes.ts";
import type { Usage } from "../support/measured-server.ts";

/** What was seen, by question; what does not begin with `WRONG` is right. */
export type Verdict = Readonly<Record<string, string>>;

/** A server under proof. */
export interface Proven {
  readonly child: ChildProcess;
  readonly port: number;
}

/** How long an answer may take while Redis is frozen. */
const PATIENCE = 1000;

const TRIES = 10;

/** Asks until an answer comes without the handler: storing may go on after a response. */
export async function hit(
  { child, port }: Proven,
  path: string,
  options: RequestOptions = {},
): Promise<{ answer: Answer; isHit: boolean }> {
  const callsSoFar = async (): Promise<number> => (await ask<Usage>(child, "usage")).calls;
  let calls = await callsSoFar();
  let answer: Answer;
  for (let n = 0; ; n += 1) {
    answer = await get(port, path, options);
    const before = calls;
    calls = await callsSoFar();
    if (calls === before || n === TRIES) return { answer, isHit: calls === before };
  }
}

function isWhole({ status, body, fields }: Answer, type: string, whole: Buffer): boolean {
  return status === 200 && fields["content-type"]?.startsWith(type) === true && body.equals(whole);
}

function isPage(answer: Answer, workload: Workload, id: string): boolean {
  const type = workload === "json" ? "application/json" : "text/html";
  return isWhole(answer, type, bodyOf(workload, id));
}

/** Whether both measured routes answer what they should, from the cache. */
export async function bytes(server: Proven): Promise<string> {
  for (const workload of WORKLOADS) {
    for (const id of ["100", "101"]) {
      const { answer, isHit } = await hit(server, `/${workload}/${id}`);
      if (!isHit) return `WRONG: ${workload} not stored`;
      if (!isPage(answer, workload, id)) return `WRONG: ${workload}`;
    }
  }
  return "same";
}

async function binary(server: Proven): Promise<string> {
  const { answer, isHit } = await hit(server, "/image/100");
  if (!isWhole(answer, "image/png", IMAGE)) return "WRONG";
  return isHit ? "same" : "same, not stored";
}

async function cookies({ port }: Proven): Promise<string> {
  const seen = new Set<string>();
  for (let n = 0; n < TRIES; n += 1) {
    const { status, fields } = await get(port, "/cookie/100");
    const [cookie] = fields["set-cookie"] ?? [];
    if (status !== 200) return `WRONG: ${status}`;
    if (cookie !== undefined && seen.has(cookie)) return "WRONG: replayed";
    if (cookie !== undefined) seen.add(cookie);
  }
  return seen.size < TRIES ? "dropped" : "handler's own";
}

async function users(server: Proven): Promise<string> {
  for (const user of ["Bearer one", "Bearer two", undefined]) {
    const headers = user === undefined ? {} : { authorization: user };
    const { answer } = await hit(server, "/me/100", { headers });
    const body = answer.status === 200 ? (JSON.parse(answer.body.toString()) as object) : {};
    if ((body as { user?: string }).user !== user) return "WRONG: shared";
  }
  return "apart";
}

async function head(server: Proven): Promise<string> {
  const { port } = server;
  const first = await get(port, "/json/102", { method: "HEAD" });
  const page = await get(port, "/json/102");
  if (!isPage(page, "json", "102")) return "WRONG: GET after HEAD";
  await hit(server, "/json/102");
  const { status, fields } = await get(port, "/json/102", { method: "HEAD" });
  const length = `${page.body.length}`;
  const isRight =
    first.status === 200 && status === 200 && (fields["content-length"] ?? length) === length;
  return isRight ? "right" : `WRONG: ${status}, length ${fields["content-length"]}`;
}

async function conditional(server: Proven): Promise<string> {
  const { answer } = await hit(server, "/json/100");
  const etag = answer.fields.etag;
  if (etag === undefined) return "WRONG: no ETag";
  const headers = { "if-none-match": etag };
  const { answer: again } = await hit(server, "/json/100", { headers });
  if (again.status !== 304 || again.body.length > 0) return `WRONG: ${again.status}`;
  // The first to ask may have the representation from before.
  const { fields } = await get(server.port, "/json/103");
  await get(server.port, "/json/104", { headers: { "if-none-match": "*" } });
  const { answer: page } = await hit(server, "/json/104");
  const isServed = fields.etag !== undefined && isPage(page, "json", "104");
  return isServed ? "304" : "WRONG: after another's 304";
}

async function frozen(server: Proven, redis: RedisServer): Promise<string> {
  const look = (path: string): Promise<Answer> => get(server.port, path, { within: PATIENCE });
  await hit(server, "/json/100");
  redis.signal("SIGSTOP");
  try {
    const [stored, other] = [await look("/json/100"), await look("/json/119")];
    if (isPage(stored, "json", "100") && isPage(other, "json", "119")) return "answers";
    return stored.status === 200 ? "WRONG: stored ones only" : "WRONG: none";
  } finally {
    redis.signal("SIGCONT");
  }
}

/** Looks at one server that nobody else asks; it is of no use afterwards. */
export async function verify(server: Proven, redis: RedisServer): Promise<Verdict> {
  return {
    bytes: await bytes(server),
    binary: await binary(server),
    "Set-Cookie": await cookies(server),
    "users with Authorization": await users(server),
    HEAD: await head(server),
    "If-None-Match": await conditional(server),
    "Redis frozen": await frozen(server, redis),
  };
}

/** Whether nothing was wrong. */
export function isCorrect(verdict: Verdict): boolean {
  return Object.values(verdict).every((seen) => !seen.startsWith("WRONG"));
}
