/** A cache as one writes it in an afternoon, which the cases of the RFCs have to catch. */
import type { ServerResponse } from "node:http";
import type { Middleware } from "express-redis-kit";
import type { Subject } from "./http-cache.ts";

interface Stored {
  readonly until: number;
  readonly headers: ReturnType<ServerResponse["getHeaders"]>;
  readonly body: string;
}

/** One entry for each URL, whatever the method, for as long as the text after `max-age=` says. */
export function naiveCache(): Subject {
  const entries = new Map<string, Stored>();
  const middleware: Middleware = (request, response, next) => {
    const url = request.url!;
    const found = entries.get(url);
    if (found !== undefined && found.until > Date.now()) {
      for (const [name, value] of Object.entries(found.headers)) response.setHeader(name, value!);
      response.end(found.body);
      return;
    }
    const end = response.end.bind(response);
    response.end = ((...args: Parameters<typeof end>) => {
      const control = String(response.getHeader("Cache-Control"));
      const age = /max-age=(\d+)/.exec(control)?.[1];
      if (age !== undefined && !control.includes("no-store")) {
        const until = Date.now() + Number(age) * 1000;
        entries.set(url, { until, headers: response.getHeaders(), body: String(args[0] ?? "") });
      }
      return end(...args);
    }) as typeof end;
    next();
  };
  return { middleware, settled: async () => {} };
}
