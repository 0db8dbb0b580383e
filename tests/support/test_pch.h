// Precompiled for every test program: src/pch.h and GoogleTest.
#pragma once

#include "pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
