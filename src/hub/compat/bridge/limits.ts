/** Between two looks at the lease. */
export const LOOK_MS = 500;
/** How long a lease holds from one look to the next: several may fail. */
export const BRIDGE_LEASE_MS = 2000;
/** How long the lease must have been free before a node that missed something goes on without it. */
export const LEAP_MS = 2000;
/** How long a bridge that closes goes on with what it has heard. */
export const CLOSE_MS = 2000;
/** Places on their way to Redis at one time. */
export const RUN_MAX = 512;
