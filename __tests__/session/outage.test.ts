import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import express, { type Express, type Request, type Response } from "express";
import type { Kit } from "express-redis-kit";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { dataOf } from "../support/session-app.ts";

let redis: RedisServer;
let isKilled = false;

async function kill(): Promise<void> {
  const exited = once(redis.process, "exit");
  redis.kill("SIGKILL");
  await exited;
  isKilled = true;
}

async function restart(): Promise<void> {
  await redis.restart();
  isKilled = false;
}

beforeAll(async () => {
  // It writes before it answers, so what it has acknowledged outlives a SIGKILL without a flush to the disk.
  redis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "no"] });
});
afterEach(async () => {
  redis.kill("SIGCONT");
  if (isKilled) await restart();
  await redis.client.flushall();
});
afterAll(() => redis.stop());

/** Not development, where a kit that finds no Redis at its start goes on in memory. */
const PRODUCTION = { NODE_ENV: "production", SESSION_SECRET: "x" };
/** Far more than the deadline, and far less than what a client waits for by default. */
const BOUND = 4000;

/** Ways to answer, all of which begin the response before they end it but the first. */
const WAYS: Record<string, (res: Response) => void | Promise<void>> = {
  "res.json": (res) => void res.json({ ok: true }),
  "res.write pieces": async (res) => {
    for (const piece of ["one, ", "two, ", "three"]) {
      res.write(piece);
      await nextTurn();
    }
    res.end();
  },
  "res.writeHead": (res) => {
    res.writeHead(200, { "Content-Type": "text/plain" });
    res.end("ok");
  },
  "res.flushHeaders": async (res) => {
    res.flushHeaders();
    await nextTurn();
    res.end("ok");
  },
};

const WAY_NAMES = Object.keys(WAYS);

/** A route for each kind of request; `onNew` runs before a handler writes to its new session. */
function appOf(kit: Kit, onNew: () => void = () => {}): Express {
  const app = express();
  app.set("trust proxy", 1);
  app.set("env", "test"); // Express's final handler prints errors otherwise.
  app.use(kit.session());
  let writes = 0;
  const tell = (req: Request, res: Response): void => {
    res.json({ id: req.sessionID, user: req.session.userId ?? null });
  };
  app.get("/", tell);
  app.post("/write", (req, res) => {
    dataOf(req)["writes"] = writes += 1;
    tell(req, res);
  });
  app.post("/new/:way", async (req, res) => {
    onNew();
    dataOf(req)["writes"] = writes += 1;
    await WAYS[req.params.way]!(res);
  });
  app.post("/login/:user", async (req, res) => {
    await kit.login(req, req.params.user);
    res.sendStatus(204);
  });
  app.post("/logout", async (req, res) => {
    await kit.logout(req);
    res.sendStatus(204);
  });
  return app;
}

interface Answer {
  /** 0 where the answer was cut off after its headers. */
  readonly status: number;
  readonly retryAfter: string | null;
  readonly setCookie: string | undefined;
  readonly body: string;
}

/** Sends a request as a proxy that ended TLS would. */
async function ask(url: string, method: string, path: string, cookie = ""): Promise<Answer> {
  const headers = { "X-Forwarded-Proto": "https", ...(cookie !== "" && { cookie }) };
  const began = performance.now();
  const response = await fetch(url + encodeURI(path), { method, headers });
  const body = await response.text().catch(() => undefined);
  expect(performance.now() - began).toBeLessThan(BOUND);
  return {
    status: body === undefined ? 0 : response.status,
    retryAfter: response.headers.get("retry-after"),
    setCookie: response.headers.getSetCookie()[0],
    body: body ?? "",
  };
}

function cookieOf({ setCookie }: Answer): string {
  return setCookie?.split(";", 1)[0] ?? "";
}

/** The session id that an answer gave to its client. */
function idOf(answer: Answer): string | undefined {
  return /^__Host-sid=s%3A([^.]+)\./.exec(cookieOf(answer))?.[1];
}

function make(): Kit {
  return makeKit({ redis: redis.url, deadline: 150 }, PRODUCTION);
}

function begin(breakIt: () => Promise<void>): Begin {
  return async () => {
    const url = await serve(appOf(make()));
    const cookie = cookieOf(await ask(url, "POST", "/login/ada"));
    expect(cookie).not.toBe("");
    await breakIt();
    return { url, cookie };
  };
}

/** An app that is connected, so that nothing knows of a frost before a save fails. */
async function startReady(onNew: () => void): Promise<string> {
  const kit = make();
  await kit.ready();
  return serve(appOf(kit, onNew));
}

/** Whom a cookie signs in. */
async function userOf(url: string, cookie: string): Promise<string | null> {
  const { status, body } = await ask(url, "GET", "/", cookie);
  return status === 200 ? (JSON.parse(body) as { user: string | null }).user : null;
}

const REFUSED = { status: 503, retryAfter: "1", setCookie: undefined };

/** Begins a fault; answers the app that is asked during it, and a cookie that was good until then. */
type Begin = () => Promise<{ url: string; cookie: string }>;

const FAULTS: readonly [string, Begin, () => Promise<void>][] = [
  ["frozen", begin(async () => redis.kill("SIGSTOP")), async () => redis.kill("SIGCONT")],
  ["killed", begin(kill), restart],
  [
    "absent at the start",
    async () => ({ ...(await begin(kill)()), url: await serve(appOf(make())) }),
    restart,
  ],
];

describe.each(FAULTS)("while Redis is %s", (_name, beginIt, endIt) => {
  it("a request without a cookie goes on as anonymous", async () => {
    const { url } = await beginIt();
    for (let index = 0; index < 3; index++) {
      const answer = await ask(url, "GET", "/");
      expect([answer.status, answer.setCookie]).toEqual([200, undefined]);
    }
  });

  it.each([
    ["reads", "GET", "/"],
    ["writes", "POST", "/write"],
    ["logs out", "POST", "/logout"],
  ])("a request with a cookie that %s gets 503 and keeps it", async (_does, method, path) => {
    const { url, cookie } = await beginIt();
    for (let index = 0; index < 3; index++) {
      expect(await ask(url, method, path, cookie)).toMatchObject(REFUSED);
    }
    await endIt();
    await until(async () => (await userOf(url, cookie)) === "ada", "the session is read again");
  });

  it("a login gets 503 and no cookie, until one succeeds", async () => {
    const { url } = await beginIt();
    expect(await ask(url, "POST", "/login/bob")).toMatchObject(REFUSED);
    await endIt();
    await until(async () => {
      const cookie = cookieOf(await ask(url, "POST", "/login/bob"));
      return cookie !== "" && (await userOf(url, cookie)) === "bob";
    }, "a login succeeds");
  });

  it.each(WAY_NAMES)("a new session that was written to is not given away: %s", async (way) => {
    const { url } = await beginIt();
    const write = () => ask(url, "POST", `/new/${way}`);
    for (let index = 0; index < 2; index++) expect(await write()).toMatchObject(REFUSED);
    await endIt();
    await until(async () => idOf(await write()) !== undefined, "sessions are stored again");
  });
});

describe("Redis freezes while a request is under way", () => {
  it.each(WAY_NAMES)("that wrote to a new session: 503, no cookie: %s", async (way) => {
    const url = await startReady(() => redis.kill("SIGSTOP"));
    expect(await ask(url, "POST", `/new/${way}`)).toMatchObject(REFUSED);
  });

  it("every cookie that is given away is one of a session that is stored", async () => {
    let entered = 0;
    const url = await startReady(() => {
      entered += 1;
      if (entered === 5 * WAY_NAMES.length) redis.kill("SIGSTOP");
    });
    const writeAll = (times: number): Promise<Answer[]> => {
      const ways = Array.from({ length: times }, () => WAY_NAMES).flat();
      return Promise.all(ways.map((way) => ask(url, "POST", `/new/${way}`)));
    };
    // Some before the frost; then as many that are under way when it begins as begin in it.
    const answers = [...(await writeAll(1)), ...(await writeAll(8))];
    // Killed in its frost: what only stands in its sockets would be run by a thaw, and is gone now.
    await kill();
    await restart();
    const given = answers.filter((answer) => idOf(answer) !== undefined);
    expect(given.length).toBeGreaterThanOrEqual(WAY_NAMES.length);
    const areStored = given.map((answer) => redis.client.exists(`session:${idOf(answer)}`));
    expect(await Promise.all(areStored)).toEqual(given.map(() => 1));
    expect(given.map(({ status }) => status)).toEqual(given.map(() => 200));
    for (const answer of answers.filter((one) => !given.includes(one))) {
      expect(answer).toMatchObject(REFUSED);
    }
  });
});
