import fc from 'fast-check';

/**
 * Property tests look for new cases each time they are run by hand; in CI always the same ones, so that a change is
 * judged by what it changes. A counterexample that is found becomes a test of its own.
 */
if (process.env.CI === 'true') fc.configureGlobal({ seed: 20261123 });
