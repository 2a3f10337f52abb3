//! Write a Second Brain component: router, caller, collections, errors.
