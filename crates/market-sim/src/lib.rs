//! market-sim
