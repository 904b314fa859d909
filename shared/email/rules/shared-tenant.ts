/** The tenant of a sender or template that each tenant may use. */
export const SHARED = "";
