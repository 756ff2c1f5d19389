/** A process of an app: `session()` and its friends over one connection, asked without a socket. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { KitError, SessionOptions } from "express-redis-kit";
import { type Config, resolveConfig } from "../../src/config.ts";
import type { Connection } from "../../src/connection/port.ts";
import { createNotices } from "../../src/context.ts";
import { createKeys } from "../../src/keys.ts";
import { createEvents } from "../../src/observe/events.ts";
import { Prefetch } from "../../src/prefetch/prefetch.ts";
import { createSession } from "../../src/session/middleware.ts";
import { createSessions, type Sessions } from "../../src/session/sessions.ts";
import { sign } from "../../src/session/cookie/signature.ts";

const SECRET = "a secret that all processes share";
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };
const CONFIG: Config = resolveConfig(
  { redis: false, logger: SILENT },
  { NODE_ENV: "test", SESSION_SECRET: SECRET },
);

/** The session of a request, as an app uses it. */
export interface AppSession {
  userId?: string;
  count?: number;
  regenerate(callback: (error?: unknown) => void): void;
  destroy(callback: (error?: unknown) => void): void;
}

/** A request, as an app sees it behind `session()`. */
export type AppRequest = IncomingMessage & { session: AppSession; sessionID: string };

/** What a client is told. */
export interface Answer {
  readonly status: number;
  /** The `code` of the error that was answered. */
  readonly code: string | undefined;
  /** The id in the cookie that it is given; null where its cookie is cleared. */
  readonly cookie: string | null | undefined;
}

/** A route of the app. */
export type Handler = (request: AppRequest, sessions: Sessions) => Promise<void>;

/** Answers a request that comes with the cookie of a session. */
export type App = (
  id: string | undefined,
  handler: Handler,
  onRequest?: (request: IncomingMessage) => void,
) => Promise<Answer>;

/** A response that is told, not sent. */
class Told extends ServerResponse {
  code: string | undefined;
  tell = (_answer: Answer): void => {};

  override end(...args: unknown[]): this {
    super.end(...(args as []));
    const line = [this.getHeader("set-cookie") ?? []].flat().map(String)[0];
    const id = line === undefined ? undefined : /^sid=s%3A([^.;]+)\./.exec(line)?.[1];
    const cookie = line === undefined ? undefined : (id ?? null);
    this.tell({ status: this.statusCode, code: this.code, cookie });
    return this;
  }

  fail(error: Partial<KitError>): void {
    this.code = error.code;
    this.statusCode = error.status ?? 500;
    if (error.code === undefined) throw error as Error;
    this.end();
  }
}

/** Starts the app. Its ids come from `genid`, so that a test knows all of them. */
export function startApp(
  connection: Connection,
  options: SessionOptions & { genid: (request: IncomingMessage) => string },
): App {
  const events = createEvents();
  const notices = createNotices(SILENT, true);
  const prefetch = new Prefetch(CONFIG.deadline);
  const context = { config: CONFIG, connection, keys: createKeys(""), events, notices, prefetch };
  const session = createSession(context, () => SECRET)(options);
  const sessions = createSessions(context);
  return (id, handler, onRequest) =>
    new Promise((resolve, reject) => {
      const request = new IncomingMessage(new Socket());
      request.method = "POST";
      request.url = "/";
      if (id !== undefined) request.headers.cookie = `sid=${encodeURIComponent(sign(id, SECRET))}`;
      onRequest?.(request);
      const response = new Told(request);
      response.tell = resolve;
      const fail = (error: unknown): void => {
        if (response.headersSent) return;
        try {
          response.fail(error as KitError);
        } catch (mistake) {
          reject(mistake);
        }
      };
      session(request, response, (error?: unknown) => {
        if (error) return fail(error);
        const work = async (): Promise<void> => {
          try {
            await handler(request as AppRequest, sessions);
          } catch (mistake) {
            return fail(mistake);
          }
          response.end();
        };
        void work();
      });
    });
}
