import { buffer } from "node:stream/consumers";
import { compose } from "../../shared/email/transports/compose.ts";
import type { OutgoingEmail } from "../../shared/email/transports/transport.ts";

/** The message of an email, as a server gets it. */
export const composedBytes = async (email: OutgoingEmail): Promise<Uint8Array> =>
  await buffer((await compose(email)).open());
