/** Whether a socket outlived a silence: a paused process, a server or firewall that forgot it meanwhile. */
import { setImmediate as nextTurn } from "node:timers/promises";

/** Milliseconds of silence after which what happened to the socket meanwhile is read before it is used. */
const QUIET = 20;
/** And after which the server must answer a PING first: firewalls forget idle connections without a word. */
const SILENT = 10_000;

/** What is asked of the link. */
export interface SilencePlan {
  isConnected(): boolean;
  /** Rejects where no answer comes soon. */
  ping(): Promise<unknown>;
  /** Ends the socket. */
  giveUp(): void;
}

/** Knows when the socket was last used. By `Date.now()`, which goes on while a machine is suspended. */
export interface Silence {
  /** The socket is being used. */
  broken(): void;
  /**
   * Under way while nobody knows whether the socket is alive; starts that where the silence was long.
   * Resolves with the milliseconds in which the process stood still meanwhile.
   */
  proof(): Promise<number> | undefined;
  /** Resolves when no proof is under way and those who waited for it have sent. */
  settled(): Promise<void>;
}

/** Makes it. */
export function createSilence(plan: SilencePlan): Silence {
  let last = Date.now();
  let proving: Promise<number> | undefined;

  const prove = async (silence: number): Promise<number> => {
    const since = performance.now();
    // What came while nobody listened, such as the peer's FIN, is read in the loop's next turn.
    await nextTurn();
    await nextTurn();
    const stoodStill = performance.now() - since; // Two turns are short, or the loop is blocked.
    if (silence >= SILENT && plan.isConnected()) {
      await plan.ping().catch(() => plan.giveUp());
      await nextTurn();
    }
    last = Date.now();
    proving = undefined;
    return stoodStill;
  };
  return {
    broken: () => {
      last = Date.now();
    },
    proof: () => {
      const silence = Date.now() - last;
      if (proving === undefined && silence >= QUIET) proving = prove(silence);
      return proving;
    },
    settled: async () => {
      if (proving === undefined) return;
      await proving;
      await nextTurn();
    },
  };
}
