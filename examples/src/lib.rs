//! Examples of doorward; each is a program of its own.
