/** What every check gets to work with. */
import type { Config } from "../config.ts";
import type { Channel } from "../connection/channel.ts";
import type { KeyKind } from "../keys.ts";
import type { Server } from "./ask.ts";
import type { Finding, Subject } from "./finding.ts";

/** A connected deployment, ready to be looked at. */
export interface Examination {
  readonly config: Config;
  readonly channel: Channel;
  readonly servers: readonly Server[];
  readonly kinds: readonly KeyKind[];
  /** This process's wall clock, in milliseconds. */
  readonly now: () => number;
}

/** One thing that is looked at. */
export interface Check extends Subject {
  /** @throws KitError where the connection is lost or too slow for it */
  run(examination: Examination): Promise<Finding | readonly Finding[]>;
}
