/** The connection to NATS, in the control plane's account. */
export const NATS = Symbol('the connection to NATS');
