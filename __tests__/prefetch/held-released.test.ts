/** A request that never comes to the second limiter is not counted there, whatever became of it. */
import { expect, it } from "@jest/globals";
import type { Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { afterRoundTrips } from "../support/cache.ts";
import { until } from "../support/redis-server.ts";
import { serveTwoLimiters } from "../support/two-limiters.ts";

/** What the middleware between the limiters does with a request that says so. */
const WAYS: Readonly<Record<string, Middleware>> = {
  answers: (_request, response) => response.end("answered"),
  throws: () => {
    throw new Error("thrown between the limiters");
  },
  "hands an error on": (_request, _response, next) => next(new Error("handed on")),
  "answers with an error": (_request, response) => {
    response.statusCode = 503;
    response.end();
  },
  "cuts the connection": (_request, response) => void response.destroy(),
};

const acting: Middleware = (request, response, next) => {
  const way = WAYS[String(request.headers["x-way"])];
  if (way) way(request, response, next);
  else next();
};

describeBackends("the second limiter counts nothing", (backend) => {
  it.each(Object.keys(WAYS))("where the middleware before it %s", async (way) => {
    const { ask, counts, counted } = await serveTwoLimiters(backend.options(), { between: acting });
    await ask();
    await counts(1);
    const isAnswered = await ask(undefined, { headers: { "X-Way": way } }).then(
      () => true,
      () => false,
    );
    expect(isAnswered).toBe(way !== "cuts the connection");
    await counts(1);
    await ask();
    await counts(2);
    expect(await counted()).toBe(2);
  });

  it("where the first one refuses", async () => {
    const { ask, counts, kit } = await serveTwoLimiters(backend.options(), { first: { limit: 3 } });
    const statuses: number[] = [];
    for (let times = 0; times < 6; times++) statuses.push((await ask()).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429, 429]);
    await afterRoundTrips(kit);
    await counts(3);
  });

  it("where the client left while the middleware before it hangs; until then, it is held", async () => {
    let hanging: (() => void) | undefined;
    const { ask, counts } = await serveTwoLimiters(backend.options(), {
      between: (request, _response, next) => {
        if (request.headers["x-way"] === "hangs") hanging = next;
        else next();
      },
    });
    const gone = new AbortController();
    const leaving = ask(undefined, { headers: { "X-Way": "hangs" }, signal: gone.signal });
    await until(() => hanging !== undefined, "the request hangs");
    await counts(1);
    gone.abort();
    await expect(leaving).rejects.toThrow("abort");
    await counts(0);
    await ask();
    await counts(1);
  });

  it("once more of a client that left, and whose request comes to it after all", async () => {
    let goOn: (() => void) | undefined;
    const { ask, counts, runs } = await serveTwoLimiters(backend.options(), {
      between: (request, _response, next) => {
        if (request.headers["x-way"] === "hangs") goOn = next;
        else next();
      },
    });
    const before = runs();
    const gone = new AbortController();
    const leaving = ask(undefined, { headers: { "X-Way": "hangs" }, signal: gone.signal });
    await until(() => goOn !== undefined, "the request hangs");
    gone.abort();
    await expect(leaving).rejects.toThrow("abort");
    await counts(0);
    goOn!();
    await until(() => runs() === before + 1, "the handler ran");
    await counts(1);
  });
});
