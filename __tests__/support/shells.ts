/** One stack of middlewares under Express 5, Express 4, connect and plain node:http. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import connect from "connect";
import express from "express";
import express4 from "express4";
import type { Middleware } from "express-redis-kit";

/** Ends a request. Uses nothing but node:http. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** Express 5, or 4 behind the same types. */
export type Express = typeof express;

/** Both of them, for `describe.each`. */
export const EXPRESSES: readonly { name: string; express: Express }[] = [
  { name: "Express 5", express },
  { name: "Express 4", express: express4 },
];

/** An app that answers errors with their text, and logs none of them. */
export function expressApp(shell: Express = express): ReturnType<Express> {
  const app = shell();
  app.set("env", "test");
  return app;
}

/** Runs middlewares in turn, and the handler last; answers an error's status and headers. */
export function chain(middlewares: readonly Middleware[], handler: Handler): RequestListener {
  return (request, response) => {
    const run = (index: number): void => {
      const middleware = middlewares[index];
      if (middleware === undefined) {
        handler(request, response);
        return;
      }
      middleware(request, response, (error?: unknown) => {
        if (error === undefined) run(index + 1);
        else fail(response, error);
      });
    };
    run(0);
  };
}

function fail(response: ServerResponse, error: unknown): void {
  const { status, headers, code } = error as Partial<{
    status: number;
    headers: Record<string, string>;
    code: string;
  }>;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status ?? 500, headers);
  response.end(code ?? String(error));
}

/** A way to run a stack. */
export interface Shell {
  readonly name: string;
  /** Whether requests are Express's, with its `trust proxy` and the like. */
  readonly isExpress: boolean;
  listener: (middlewares: readonly Middleware[], handler: Handler) => RequestListener;
}

function shellOf(name: string, shell: Express): Shell {
  return {
    name,
    isExpress: true,
    listener: (middlewares, handler) => {
      const app = expressApp(shell);
      app.use(...(middlewares as Parameters<typeof app.use>), handler);
      return app as RequestListener;
    },
  };
}

const onConnect: Shell = {
  name: "connect",
  isExpress: false,
  listener: (middlewares, handler) => {
    const app = connect();
    for (const middleware of middlewares) app.use(middleware);
    app.use((request, response) => void handler(request, response));
    return app;
  },
};

/** All of them, for `describe.each`. */
export const SHELLS: readonly Shell[] = [
  shellOf("Express 5", express),
  shellOf("Express 4", express4),
  onConnect,
  { name: "node:http", isExpress: false, listener: chain },
];
