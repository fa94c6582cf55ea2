// Fills a TTree from arrays: ecalwindows/simulation/ttree.py compiles this and gives it the arrays.
#include <memory>
#include <string>
#include <vector>
#include "TTree.h"
namespace ecalwindows_simulate {
struct Slot { virtual ~Slot() {} virtual void take(long event) = 0; };
template <class T> struct Number : Slot {
  T value{}; const T* values = nullptr;
  Number(TTree& tree, const std::string& name, const std::string& leaf) {
    tree.Branch(name.c_str(), &value, (name + leaf).c_str());
  }
  void take(long event) override { value = values[event]; }
};
template <class T> struct Vector : Slot {
  std::vector<T>& value; const T* values = nullptr; const long* outer = nullptr;
  explicit Vector(std::vector<T>& v) : value(v) {}
  void take(long event) override { value.assign(values + outer[event], values + outer[event + 1]); }
};
template <class T> struct Nested : Slot {
  std::vector<std::vector<T>>& value;
  const T* values = nullptr; const long *outer = nullptr, *inner = nullptr;
  explicit Nested(std::vector<std::vector<T>>& v) : value(v) {}
  void take(long event) override {
    value.resize(outer[event + 1] - outer[event]);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const long row = outer[event] + i;
      value[i].assign(values + inner[row], values + inner[row + 1]);
    }
  }
};
struct Tree {
  TTree& tree; std::vector<std::unique_ptr<Slot>> slots;
  explicit Tree(TTree& t) : tree(t) {}
  template <class T> void number(const std::string& name, const std::string& leaf) {
    slots.emplace_back(new Number<T>(tree, name, leaf));
  }
  template <class T> void vector(std::vector<T>& v) { slots.emplace_back(new Vector<T>(v)); }
  template <class T> void nested(std::vector<std::vector<T>>& v) { slots.emplace_back(new Nested<T>(v)); }
  template <class T> void give_number(int slot, std::size_t values) {
    static_cast<Number<T>&>(*slots[slot]).values = reinterpret_cast<const T*>(values);
  }
  template <class T> void give_vector(int slot, std::size_t values, std::size_t outer) {
    auto& to = static_cast<Vector<T>&>(*slots[slot]);
    to.values = reinterpret_cast<const T*>(values); to.outer = reinterpret_cast<const long*>(outer);
  }
  template <class T> void give_nested(int slot, std::size_t values, std::size_t outer, std::size_t inner) {
    auto& to = static_cast<Nested<T>&>(*slots[slot]);
    to.values = reinterpret_cast<const T*>(values);
    to.outer = reinterpret_cast<const long*>(outer); to.inner = reinterpret_cast<const long*>(inner);
  }
  bool fill(long n) {
    for (long event = 0; event < n; ++event) {
      for (auto& slot : slots) slot->take(event);
      if (tree.Fill() < 0) return false;
    }
    return true;
  }
};
}
