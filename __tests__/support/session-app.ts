/** An app with sessions for tests, and what its clients hold. */
import { expect } from "@jest/globals";
import express from "express";
import type { Kit, SessionOptions } from "express-redis-kit";
import request from "supertest";
import { type Config, resolveConfig } from "../../src/config.ts";
import type { Connection } from "../../src/connection/port.ts";
import { type Context, createNotices } from "../../src/context.ts";
import { createKeys } from "../../src/keys.ts";
import { createEvents, type KitEvents } from "../../src/observe/events.ts";
import { Prefetch } from "../../src/prefetch/prefetch.ts";
import { login, logout } from "../../src/session/login.ts";
import { createSession } from "../../src/session/middleware.ts";
import { createLog } from "./kit.ts";
import type { Express } from "./shells.ts";

/** What an app with sessions needs of a kit. */
export type SessionKit = Pick<Kit, "session" | "login" | "logout">;

/** The session of a request, as an app uses it. */
export type Data = Record<string, unknown>;

/** The data of a request's session. */
export function dataOf(req: express.Request): Data {
  return req.session as unknown as Data;
}

/** Answers an error as JSON, with the status and headers that it carries. */
export function answerError(
  error: Error & { status?: number; code?: string; headers?: Record<string, string> },
  _req: express.Request,
  res: express.Response,
  _next: express.NextFunction,
): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  res
    .status(error.status ?? 500)
    .set(error.headers ?? {})
    .json({ code: error.code ?? String(error) });
}

/** Express 4 does not take a rejection to the error handler. */
export function wrap(
  work: (req: express.Request, res: express.Response) => Promise<unknown>,
): (req: express.Request, res: express.Response, next: express.NextFunction) => Promise<void> {
  return async (req, res, next) => {
    try {
      await work(req, res);
    } catch (error) {
      next(error);
    }
  };
}

/** Routes for all that a session can go through. Options beside the body come in it: `{ user, … }`. */
export function sessionApp(
  kit: SessionKit,
  options: SessionOptions = {},
  shell: Express = express,
): ReturnType<Express> {
  const app = shell();
  app.set("env", "test");
  app.use(kit.session(options), shell.json());
  app.post(
    "/login",
    wrap(async (req, res) => {
      const { user, ...rest } = req.body as { user: string };
      await kit.login(req, user, rest);
      res.json({ id: req.sessionID });
    }),
  );
  app.post(
    "/logout",
    wrap(async (req, res) => {
      await kit.logout(req);
      res.sendStatus(204);
    }),
  );
  app.get("/me", (req, res) => {
    const { cookie: _cookie, ...data } = dataOf(req);
    res.json({ user: data["userId"] ?? null, ended: req.sessionEnded?.reason ?? null, data });
  });
  app.post("/data", (req, res) => {
    for (const [name, value] of Object.entries(req.body as Data)) {
      if (value === "delete") delete dataOf(req)[name];
      else dataOf(req)[name] = value;
    }
    res.json({ ok: true });
  });
  app.post("/regenerate", (req, res, next) => {
    const { userId } = req.session;
    req.session.regenerate((error?: unknown) => {
      if (error) return next(error);
      Object.assign(req.session, userId !== undefined && { userId }, req.body);
      res.json({ id: req.sessionID });
    });
  });
  app.post("/destroy", (req, res, next) => {
    req.session.destroy((error?: unknown) => (error ? next(error) : res.json({ ok: true })));
  });
  app.use(answerError);
  return app;
}

/** `session()` over any connection, past `createKit`; `events` are all that it emitted. */
export function kitOver(
  connection: Connection,
): SessionKit & { context: Context; errors: KitEvents["redis-error"][] } {
  const config: Config = resolveConfig(
    { redis: false, logger: createLog() },
    { NODE_ENV: "test", SESSION_SECRET: "a secret that all of these share" },
  );
  const events = createEvents();
  const errors: KitEvents["redis-error"][] = [];
  events.on("redis-error", (detail) => void errors.push(detail));
  const notices = createNotices(config.logger, true);
  const prefetch = new Prefetch(config.deadline);
  const context = { config, connection, keys: createKeys(""), events, notices, prefetch };
  const session = createSession(context, () => "a made-up secret");
  return { session, login, logout, context, errors };
}

/** The session's Set-Cookie line of a response. */
export function cookieLine(response: { headers: Record<string, unknown> }): string | undefined {
  const lines = [response.headers["set-cookie"] ?? []].flat() as string[];
  return lines.find((line) => /^(__Host-)?sid=/.test(line));
}

/** The session id that a response gives to its client. */
export function sidOf(response: { headers: Record<string, unknown> }): string | undefined {
  return /^(?:__Host-)?sid=s%3A([^.;]+)\./.exec(cookieLine(response) ?? "")?.[1];
}

/** The cookie of a response as a request sends it, or nothing. */
export function cookieOf(response: { headers: Record<string, unknown> }): string {
  return cookieLine(response)?.split(";", 1)[0] ?? "";
}

/** Signs a new client in; answers its agent, cookie and id. */
export async function signedIn(
  app: Parameters<typeof request>[0],
  user: string,
): Promise<{ agent: ReturnType<typeof request.agent>; cookie: string; id: string }> {
  const agent = request.agent(app);
  const response = await agent.post("/login").send({ user }).expect(200);
  return { agent, cookie: cookieOf(response), id: sidOf(response)! };
}

/** How a response speaks of a cookie whose session it took away: the kit clears it, express-session leaves it. */
export function farewell(maker: { isKit: boolean }): unknown {
  return maker.isKit ? expect.stringMatching(/=; .*Expires=Thu, 01 Jan 1970/) : undefined;
}
